"""Sums of what workers count: exact, and never falling, whoever comes and goes."""

from hypothesis import example, given
from hypothesis import strategies as st

from router.serving.tally import endpoint_tally, mirror_tally, version_tally
from router.telemetry.counters import EndpointMetrics, MirrorMetrics, VersionMetrics


def requests(tally):
    totals = tally.snapshot()
    return 0 if totals is None else sum(totals.requests.values())


def test_of_nothing_there_is_nothing():
    for tally in (version_tally(), endpoint_tally(), mirror_tally()):
        assert tally.snapshot() is None
        tally.left("unknown")
        assert tally.snapshot() is None


def test_what_a_worker_says_last_stands_for_all_that_it_said():
    tally, metrics = endpoint_tally(), EndpointMetrics()
    for _ in range(3):
        metrics.finished("not_found", 404, 0.1)
        tally.said("a", metrics.snapshot())
    assert tally.snapshot() == metrics.snapshot()


def test_all_parts_of_it_are_summed():
    version, mirror = version_tally(), mirror_tally()
    for worker in "ab":
        counted, copied = VersionMetrics(), MirrorMetrics()
        counted.finished("answered", 200, 0.4, 0.3, 0.05, 0.001)
        copied.finished("answered", 0.2)
        version.said(worker, counted.snapshot())
        mirror.said(worker, copied.snapshot())
    version.left("a")
    mirror.left("a")
    total = version.snapshot()
    assert total.requests == {("answered", 200): 2}
    assert [sum(each.counts) for each in total[1:]] == [2, 2, 2, 2]
    assert (mirror.snapshot().copies, sum(mirror.snapshot().duration.counts)) == ({"answered": 2}, 2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["count", "say", "leave"]))))
@example([(worker, step) for worker in "ab" for step in ("count", "say", "leave")])
def test_sums_are_exact_and_never_fall(steps):
    """A worker that comes again under an old name begins at 0; what one had not said before it left is lost."""
    tally, metrics, said, gone = endpoint_tally(), {}, {}, 0
    before = 0
    for worker, step in steps:
        own = metrics.setdefault(worker, EndpointMetrics())
        if step == "count":
            own.finished("not_found", 404, 0.1)
        elif step == "say":
            if (totals := own.snapshot()) is not None:
                tally.said(worker, totals)
                said[worker] = sum(totals.requests.values())
        else:
            tally.left(worker)
            gone += said.pop(worker, 0)
            del metrics[worker]
        assert requests(tally) == gone + sum(said.values()) >= before
        before = requests(tally)
