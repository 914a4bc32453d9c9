"""The status of a resource, from what is known of the endpoint."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from router.serving.status import EndpointView, VersionView, WorkloadView, settled, status

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BLUE = VersionView("blue", traffic=80.0, ready=2, desired=3, busy=1)
GREEN = VersionView("green", traffic=20.0, ready=1, desired=None, busy=1)
GOOD = EndpointView(generation=4, versions=(BLUE, GREEN), default_version="blue", rps=12.34)


def conditions(view, before=()):
    return {each["type"]: each for each in status(view, before, NOW)["conditions"]}


def with_workload(**what):
    return replace(GOOD, versions=(replace(BLUE, workload=WorkloadView(**what)), GREEN))


def test_the_numbers():
    said = status(GOOD, (), NOW)
    assert said["versions"] == [
        {"name": "blue", "traffic": 80.0, "ready": 2, "desired": 3, "busy": 1},
        {"name": "green", "traffic": 20.0, "ready": 1, "desired": 1, "busy": 1},
    ]
    assert (said["versionNames"], said["defaultVersion"]) == ("blue,green", "blue")
    assert (said["ready"], said["busy"], said["rps"]) == ("3/4", 2, "12.3")
    assert said["observedGeneration"] == 4


def test_what_an_endpoint_has_not_is_left_out():
    """Kubernetes 1.20 refuses a status in which a string is empty."""
    said = status(EndpointView(1, problems=("bad",)), (), NOW)
    assert (said["versionNames"], said["defaultVersion"]) == (None, None)
    assert "" not in said.values()


def test_all_is_well():
    said = {each["type"]: (each["status"], each["reason"]) for each in conditions(GOOD).values()}
    assert said == {
        "Accepted": ("True", "Valid"),
        "Ready": ("True", "AllVersionsReady"),
        "KeysAvailable": ("True", "Available"),
        "ClusterFull": ("False", "Schedulable"),
        "HpaConflict": ("False", "NoHpa"),
        "ScalingFailed": ("False", "Scaling"),
    }


@pytest.mark.parametrize(
    ("view", "type", "reason", "words"),
    [
        (replace(GOOD, problems=("bad",)), "Accepted", "Invalid", "bad; the last good generation"),
        (replace(GOOD, problems=("taken",), conflicts=True), "Accepted", "Conflict", "taken"),
        (EndpointView(1, problems=("bad",)), "Accepted", "Invalid", "bad"),
        (EndpointView(1, problems=("bad",)), "Ready", "NotAccepted", "ever in force"),
        (replace(GOOD, versions=(replace(BLUE, ready=0), GREEN)), "Ready", "VersionsNotReady", "replica of blue"),
        (replace(GOOD, key_problem="primaryKey is short"), "KeysAvailable", "Invalid", "primaryKey is short"),
        (replace(GOOD, keys_missing="there is no Secret x"), "KeysAvailable", "Missing", "no Secret x; the leading"),
        (with_workload(unschedulable=2), "ClusterFull", "Unschedulable", "blue (2)"),
        (with_workload(hpa="cpu"), "HpaConflict", "HpaFound", "blue by cpu"),
        (with_workload(problem="may not get deployments/scale"), "ScalingFailed", "Refused", "blue: may not"),
        (with_workload(failure="exceeded quota"), "ScalingFailed", "PodsRefused", "blue: exceeded quota"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(view, type, reason, words):
    condition = conditions(view)[type]
    assert condition["reason"] == reason
    assert words in condition["message"]
    assert condition["status"] == ("False" if type in ("Accepted", "Ready", "KeysAvailable") else "True")


def test_a_version_that_starts_from_none_is_ready_without_a_replica():
    idle = replace(BLUE, ready=0, desired=0, may_be_empty=True)
    assert conditions(replace(GOOD, versions=(idle, GREEN)))["Ready"]["status"] == "True"


def test_a_condition_keeps_its_time_while_its_status_stays():
    before = status(GOOD, (), NOW - timedelta(hours=1))["conditions"]
    later = conditions(replace(GOOD, generation=5, versions=(replace(BLUE, ready=0), GREEN)), before)
    assert later["Accepted"]["lastTransitionTime"] == "2026-11-23T11:00:00Z"
    assert later["Accepted"]["observedGeneration"] == 5
    assert later["Ready"]["lastTransitionTime"] == "2026-11-23T12:00:00Z"


def test_only_numbers_may_wait():
    said = status(GOOD, (), NOW)
    busier = replace(GOOD, rps=99.0, versions=(replace(BLUE, busy=2), GREEN))
    assert settled(status(busier, said["conditions"], NOW)) == settled(said)
    for other in (replace(GOOD, generation=5), replace(GOOD, versions=(replace(BLUE, ready=3), GREEN))):
        assert settled(status(other, said["conditions"], NOW)) != settled(said)
