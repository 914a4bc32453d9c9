"""What is counted at the end of a request, and what is left out."""

import pickle

import pytest

from router.errors import CopyDropped, Outcome
from router.telemetry.counters import EndpointMetrics, MirrorMetrics, ScaleEvents, VersionMetrics


def test_a_request_that_reached_a_slot_counts_everywhere():
    metrics = VersionMetrics()
    metrics.finished(Outcome.OK, 200, 0.5, 0.3, 0.15, 0.05)
    totals = metrics.snapshot()
    assert totals.requests == {(Outcome.OK, 200): 1}
    sums = [each.sum_s for each in (totals.duration, totals.upstream, totals.queue, totals.overhead)]
    assert sums == [0.5, 0.3, 0.15, 0.05]
    assert {each.observations for each in (totals.duration, totals.upstream, totals.queue, totals.overhead)} == {1}


def test_a_request_without_a_slot_counts_as_a_request_only():
    metrics = VersionMetrics()
    metrics.finished(Outcome.QUEUE_TIMEOUT, 503, 0.5, -1.0, 0.5, 0.0)
    totals = metrics.snapshot()
    assert totals.requests == {(Outcome.QUEUE_TIMEOUT, 503): 1}
    assert totals.duration.observations == 1
    assert [each.observations for each in (totals.upstream, totals.queue, totals.overhead)] == [0, 0, 0]


def test_a_replica_that_answers_at_once_was_still_reached():
    metrics = VersionMetrics()
    metrics.finished(Outcome.OK, 200, 0.0, 0.0, 0.0, 0.0)
    assert metrics.snapshot().upstream.observations == 1


def test_rounding_below_zero_does_not_make_the_overhead_sum_fall():
    metrics = VersionMetrics()
    metrics.finished(Outcome.OK, 200, 0.3, 0.2, 0.1, -1e-17)
    assert metrics.snapshot().overhead.sum_s == 0.0
    assert metrics.snapshot().overhead.observations == 1


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_can_be_counted(outcome):
    version, endpoint = VersionMetrics(), EndpointMetrics()
    for _ in range(2):
        version.finished(outcome, 0, 0.1, -1.0, 0.0, 0.0)
        endpoint.finished(outcome, 0, 0.1)
    assert version.snapshot().requests == endpoint.snapshot().requests == {(outcome, 0): 2}


def test_idle_metrics_have_nothing_to_snapshot():
    assert VersionMetrics().snapshot() is None
    assert EndpointMetrics().snapshot() is None


def test_workers_add_up():
    total, one, other = VersionMetrics(), VersionMetrics(), VersionMetrics()
    one.finished(Outcome.OK, 200, 0.5, 0.3, 0.15, 0.05)
    other.finished(Outcome.OK, 200, 0.5, 0.3, 0.15, 0.05)
    other.finished(Outcome.QUEUE_FULL, 503, 0.1, -1.0, 0.0, 0.0)
    for worker in (one, other):
        total.merge(pickle.loads(pickle.dumps(worker.snapshot())))
    totals = total.snapshot()
    assert totals.requests == {(Outcome.OK, 200): 2, (Outcome.QUEUE_FULL, 503): 1}
    observations = [each.observations for each in (totals.duration, totals.upstream, totals.queue, totals.overhead)]
    assert observations == [3, 2, 2, 2]


def test_endpoints_add_up():
    total, one = EndpointMetrics(), EndpointMetrics()
    one.finished(Outcome.UNAUTHORIZED, 401, 0.001)
    total.merge(one.snapshot())
    total.merge(one.snapshot())
    assert total.snapshot().requests == {(Outcome.UNAUTHORIZED, 401): 2}
    assert total.snapshot().duration.observations == 2


def test_a_snapshot_stays_as_it_was():
    version, endpoint = VersionMetrics(), EndpointMetrics()
    version.finished(Outcome.OK, 200, 0.5, 0.3, 0.15, 0.05)
    endpoint.finished(Outcome.OK, 200, 0.5)
    snapshots = version.snapshot(), endpoint.snapshot()
    version.finished(Outcome.OK, 200, 0.5, 0.3, 0.15, 0.05)
    endpoint.finished(Outcome.OK, 200, 0.5)
    for totals in snapshots:
        assert totals.requests == {(Outcome.OK, 200): 1}
        assert totals.duration.observations == 1


def test_copies_count_by_how_they_ended_or_why_there_was_none():
    metrics = MirrorMetrics()
    assert metrics.snapshot() is None
    metrics.finished(Outcome.OK, 0.5)
    metrics.finished(Outcome.UPSTREAM_TIMEOUT, 1.0)
    metrics.dropped(CopyDropped.TOO_LARGE)
    total = MirrorMetrics()
    for _ in range(2):
        total.merge(pickle.loads(pickle.dumps(metrics.snapshot())))
    totals = total.snapshot()
    assert totals.copies == {Outcome.OK: 2, Outcome.UPSTREAM_TIMEOUT: 2, CopyDropped.TOO_LARGE: 2}
    assert (totals.duration.observations, totals.duration.sum_s) == (4, 3.0), "what was not sent took no time"
    assert repr(total) == "<MirrorMetrics 6 copies>"


def test_no_reason_to_drop_a_copy_is_called_like_an_outcome():
    assert not {reason.value for reason in CopyDropped} & {outcome.value for outcome in Outcome}


def test_scale_events_have_a_direction():
    events = ScaleEvents()
    for before, after in [(1, 3), (3, 3), (3, 2), (2, 5), (0, 1)]:
        events.applied(before, after)
    assert repr(events) == "<ScaleEvents up 3, down 1>"


def test_repr_shows_the_numbers():
    version, endpoint = VersionMetrics(), EndpointMetrics()
    version.finished(Outcome.OK, 200, 0.5, 0.3, 0.15, 0.05)
    endpoint.finished(Outcome.BAD_REQUEST, 400, 0.5)
    assert (repr(version), repr(endpoint)) == ("<VersionMetrics 1 requests>", "<EndpointMetrics 1 requests>")
