"""What the admin API shows of an endpoint that is served, and what is told as events while it is."""

import dataclasses
from types import MappingProxyType

import pytest

from autoscaler.policy import Decision, Numbers, Reason
from router.model.problems import Problem
from router.serving.admin_status import LiveStatuses, _state
from router.serving.fleet import Fleet
from router.serving.messages import Load
from router.serving.scaling import ScaleRecorder
from router.serving.telling import tell_nobody
from router.store.configuration import Configuration, Origin
from router.telemetry.source import VersionLoad
from tests.serving.test_fleet import configuration, fleet, side, tables  # noqa: F401  fixtures

KEY = ("default", "digits")
WRONG = Problem("digits.yaml", 7, "spec.versions", None, "is missing")
DECISION = Decision(1.0, 1, 3, Reason.DEMAND, Numbers(demand=2.5, in_flight=2, queued=1))


@pytest.fixture
def told(fleet: Fleet) -> list:  # noqa: F811
    """Events, as they are told."""
    events = []

    def happened(type, endpoint, /, **data) -> None:
        events.append((type, endpoint, data))

    fleet._around = dataclasses.replace(fleet._around, happened=happened)
    return events


def statuses(fleet: Fleet) -> LiveStatuses:  # noqa: F811
    return LiveStatuses(fleet, lambda: "http://127.0.0.1:8080")


async def test_an_endpoint_in_force_is_shown_with_what_its_versions_really_get(fleet):  # noqa: F811
    fleet.apply(configuration())
    status = statuses(fleet).status(KEY)
    versions = status.pop("versions")
    assert status == {
        "name": "digits",
        "namespace": "default",
        "scoringUri": "http://127.0.0.1:8080/api/v1/service/digits/score",
        "hosts": ["digits.example.com"],
        "authMode": "key",
        "configured": True,
        "problems": [],
    }
    assert versions[1] == {
        "name": "green",
        "isDefault": False,
        "type": "treatment",
        "trafficShare": 20.0,
        "state": "starting",
        "replicas": {"current": 1, "ready": 0, "busy": 0},
        "desiredReplicas": None,
        "inFlight": 0,
        "queued": 0,
        "utilization": 0.0,
        "lastDecision": None,
    }
    assert [(each["isDefault"], each["trafficShare"]) for each in versions] == [(True, 80.0), (False, 20.0)]


async def test_the_uri_of_another_namespace_bears_its_name(fleet):  # noqa: F811
    fleet.apply(configuration(namespace="team"))
    uri = statuses(fleet).status(("team", "digits"))["scoringUri"]
    assert uri == "http://127.0.0.1:8080/api/v1/service/digits.team/score"


async def test_a_replica_that_is_ready_is_counted(fleet):  # noqa: F811
    fleet.apply(configuration())
    blue = fleet.version(("digits", "blue"))
    blue._allotment.add("r", "127.0.0.1", 5001, None)
    shown = statuses(fleet).status(KEY)["versions"][0]
    assert (shown["state"], shown["replicas"]) == ("ready", {"current": 1, "ready": 1, "busy": 0})


async def test_what_is_refused_says_why_and_the_last_good_one_is_shown(fleet):  # noqa: F811
    fleet.apply(configuration())
    fleet.apply(dataclasses.replace(configuration(), problems=(WRONG,)))
    status = statuses(fleet).status(KEY)
    assert (status["configured"], status["problems"]) == (True, ["digits.yaml:7: spec.versions: is missing"])


async def test_in_a_cluster_problems_and_conditions_are_those_of_the_resource(fleet):  # noqa: F811
    other = Problem("scoringendpoint default/other", None, "spec", None, "is wrong")
    keys = dataclasses.replace(WRONG, source="secret digits-keys", line=None, key="", message="has no primaryKey")
    origins = {
        KEY: Origin("uid", 2, key_problem=keys),
        ("default", "other"): Origin("uid", 1, (other,), accepted=False),
    }
    good = configuration()
    fleet.apply(dataclasses.replace(good, problems=(other,), origins=MappingProxyType(origins)))
    with_conditions = LiveStatuses(fleet, lambda: "http://x", lambda key: [{"type": "Ready", "of": key}])
    assert with_conditions.status(KEY)["problems"] == ["secret digits-keys: has no primaryKey"]
    assert with_conditions.status(KEY)["conditions"] == [{"type": "Ready", "of": KEY}]
    refused = with_conditions.status(("default", "other"))
    assert (refused["configured"], refused["versions"]) == (False, [])
    assert refused["problems"] == ["scoringendpoint default/other: spec: is wrong"]


async def test_of_what_nobody_knows_nothing_is_said(fleet):  # noqa: F811
    assert statuses(fleet).status(KEY) is None


@pytest.mark.parametrize(
    ("total", "desired", "present", "state"),
    [(1, 0, 1, "ready"), (0, 0, 1, "scaled_to_zero"), (0, 2, 1, "starting"), (0, None, 0, "not_ready")],
)
def test_states(total, desired, present, state):
    assert _state(VersionLoad(0, total, total, 0, 0, desired, 100.0), present) == state


async def test_a_decision_is_told_and_remembered(fleet, told):  # noqa: F811
    recorder = ScaleRecorder(tell_nobody, fleet._around.happened)
    recorder.attach(fleet)
    fleet.apply(configuration())
    del told[:]
    recorder.decided(("digits", "blue"), DECISION)
    recorder.failed(("digits", "blue"), DECISION, RuntimeError("no room"))
    (_, key, decided), (_, _, failed) = told
    assert (key, decided["version"], decided["desired"], decided["inFlight"]) == (KEY, "blue", 3, 2)
    assert ("error" in decided, failed["error"]) == (False, "no room")
    shown = statuses(fleet).status(KEY)["versions"][0]["lastDecision"]
    assert shown.keys() - {"at"} == decided.keys() - {"version"}
    assert (shown["demand"], shown["reason"]) == (2.5, "demand")
    recorder.decided(("gone", "blue"), DECISION)
    assert len(told) == 2


async def test_a_configuration_that_comes_into_force_is_told(fleet, told):  # noqa: F811
    fleet.apply(configuration())
    fleet.apply(configuration())
    fleet.apply(Configuration())
    assert told == [
        ("configuration", KEY, {"state": "in_force", "versions": ["blue", "green"]}),
        ("configuration", KEY, {"state": "removed"}),
    ]


async def test_a_refusal_is_told_once_while_it_lasts(fleet, told):  # noqa: F811
    other = dataclasses.replace(WRONG, source="other.yaml")
    for problems in ((WRONG,), (WRONG,), (WRONG, other), (), (WRONG,)):
        fleet.apply(Configuration(problems=problems))
    refused = [[str(WRONG)], [str(other)], [str(WRONG)]]
    assert told == [("configuration", None, {"state": "refused", "problems": problems}) for problems in refused]


async def test_a_refused_resource_is_told_of_by_name(fleet, told):  # noqa: F811
    origins = MappingProxyType({KEY: Origin("uid", 1, (WRONG,), accepted=False)})
    for _ in range(2):
        fleet.apply(Configuration(problems=(WRONG,), origins=origins))
    assert told == [("configuration", KEY, {"state": "refused", "problems": [str(WRONG)]})]


async def test_an_ejection_is_told_when_it_begins_and_ends(fleet, told):  # noqa: F811
    fleet.apply(configuration())
    allotment = fleet.version(("digits", "blue"))._allotment
    for replica in "xy":
        allotment.add(replica, "127.0.0.1", 5001, None)
    del told[:]
    for worker, away in (("a", 0), ("a", 1), ("b", 1), ("a", 0), ("b", 0)):
        allotment.loaded(worker, Load(allotment.group, away=away))
    allotment.loaded("b", Load(allotment.group, away=2))
    allotment.left("b")
    assert [(type, key, data["version"], data["ejected"], data["replicas"]) for type, key, data in told] == [
        ("ejection", KEY, "blue", ejected, 2) for ejected in (1, 0, 2, 0)
    ]
