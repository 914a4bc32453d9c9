from router.kube.contact import Contact


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_what_is_out_of_reach_is_told_with_how_long():
    clock = Clock()
    contact = Contact(clock)
    contact.made("pods")
    contact.lost("secrets", "no answer in time")
    clock.time += 90
    contact.lost("secrets", "ConnectError")
    assert list(contact.problems()) == ["kubernetes: secrets: unheard of for 90 s, the known stays: ConnectError"]
    assert contact.connected() == {"pods": True, "secrets": False}
    contact.made("secrets")
    assert list(contact.problems()) == []
    assert contact.connected() == {"pods": True, "secrets": True}


def test_a_reason_is_logged_once(caplog):
    contact = Contact(Clock())
    for _ in range(3):
        contact.lost("pods", "no answer in time")
    assert len(caplog.records) == 1
    contact.lost("pods", "Forbidden")
    assert len(caplog.records) == 2


def test_the_return_is_logged_with_how_long_it_took(caplog):
    caplog.set_level("INFO")
    clock = Clock()
    contact = Contact(clock)
    contact.made("pods")
    assert caplog.records == []
    contact.lost("pods", "no answer in time")
    clock.time += 2.5
    contact.made("pods")
    assert caplog.records[-1].fields == {"subject": "pods", "after_s": 2.5}


def test_what_nobody_follows_is_forgotten():
    contact = Contact(Clock())
    contact.lost("pods", "no answer in time")
    contact.ended("pods")
    contact.ended("pods")
    assert contact.connected() == {}
    assert list(contact.problems()) == []
