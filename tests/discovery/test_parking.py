from router.discovery.parking import PARK_S, Parking


def test_what_we_park_comes_back_in_time():
    parking = Parking("me")
    parking.park("a", "1 me", now=100.0)
    parking.park("b", "2 me", now=101.0)
    assert (len(parking), parking.next_lapse) == (2, 100.0 + PARK_S)
    assert parking.lapse(100.0 + PARK_S - 0.1) == []
    assert parking.lapse(100.0 + PARK_S) == ["a"]
    assert "a" not in parking
    assert parking.next_lapse == 101.0 + PARK_S
    assert parking.release_all() == ["b"]
    assert parking.next_lapse is None


def test_the_mark_of_another_router_parks_once():
    parking = Parking("me")
    parking.seen("a", None, "1 you", now=0.0)
    parking.seen("a", "1 you", "1 you", now=9.0)
    assert parking.lapse(PARK_S) == ["a"]
    parking.seen("a", "1 you", "1 you", now=20.0)
    assert "a" not in parking
    parking.seen("a", "1 you", "2 you", now=21.0)
    assert "a" in parking


def test_a_mark_that_is_taken_back_parks_no_more():
    parking = Parking("me")
    parking.seen("a", None, "1 you", now=0.0)
    parking.seen("a", "1 you", None, now=1.0)
    assert "a" not in parking


def test_our_own_mark_is_no_news():
    """It may be seen after we took it back."""
    parking = Parking("me")
    parking.seen("a", None, "1 me", now=0.0)
    assert "a" not in parking
    parking.seen("a", "1 me", "2 notme", now=0.0)
    assert "a" in parking, "a name that ends alike is another name"


def test_an_old_mark_that_goes_does_not_end_a_new_parking():
    parking = Parking("me")
    parking.park("a", "2 me", now=0.0)
    parking.seen("a", "1 me", None, now=1.0)
    assert "a" in parking
