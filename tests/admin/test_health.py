"""Who is alive and who is ready, as a table."""

from http import HTTPStatus
from types import SimpleNamespace

import pytest

from router.admin.health import MAX_PROBLEMS, Phase, liveness, readiness


def health(
    phase: Phase = Phase.SERVING, configured: bool = True, problems: tuple[str, ...] = (), cluster: dict | None = None
) -> SimpleNamespace:
    return SimpleNamespace(phase=phase, configured=configured, problems=lambda: problems, cluster=lambda: cluster)


@pytest.mark.parametrize(
    ("phase", "answer"),
    [
        (Phase.STARTING, (HTTPStatus.OK, {"status": "ok"})),
        (Phase.SERVING, (HTTPStatus.OK, {"status": "ok"})),
        (Phase.DRAINING, (HTTPStatus.SERVICE_UNAVAILABLE, {"status": "draining"})),
    ],
)
def test_everything_but_draining_is_alive(phase, answer):
    assert liveness(health(phase)) == answer


WRONG = ("digits.yaml:7: spec.versions[0].trafficPercentile: 120 is not 0 to 100",)


@pytest.mark.parametrize(
    ("phase", "configured", "problems", "code", "status", "configuration"),
    [
        (Phase.SERVING, True, (), 200, "ready", "current"),
        (Phase.SERVING, True, WRONG, 200, "ready", "stale"),
        (Phase.SERVING, False, (), 503, "unconfigured", "none"),
        (Phase.SERVING, False, WRONG, 503, "unconfigured", "none"),
        (Phase.STARTING, False, (), 503, "starting", "none"),
        (Phase.STARTING, True, (), 503, "starting", "current"),
        (Phase.DRAINING, True, (), 503, "draining", "current"),
        (Phase.DRAINING, True, WRONG, 503, "draining", "stale"),
    ],
)
def test_readiness_needs_serving_and_some_configuration(phase, configured, problems, code, status, configuration):
    assert readiness(health(phase, configured, problems)) == (
        code,
        {"status": status, "configuration": configuration, "problemCount": len(problems), "problems": list(problems)},
    )


def test_a_router_that_the_api_server_does_not_answer_is_ready_and_says_so():
    lost = {"connected": False, "leading": False, "problems": ["pods: no answer in time"]}
    status, detail = readiness(health(cluster=lost))
    assert status == HTTPStatus.OK
    assert detail["status"] == "ready"
    assert detail["kubernetes"] == lost


def test_the_detail_stays_readable_when_all_is_wrong():
    _status, detail = readiness(health(problems=tuple(f"{number}.yaml:1: wrong" for number in range(10_000))))
    assert detail["problemCount"] == 10_000
    assert len(detail["problems"]) == MAX_PROBLEMS
    assert detail["problems"][0] == "0.yaml:1: wrong"
