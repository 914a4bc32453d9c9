"""The conditions that docs/kubernetes.md sends people to look for are those that a resource gets."""

import re
from datetime import UTC, datetime

from router.serving.status import EndpointView, VersionView, WorkloadView, status
from tests.deploy.objects import REPOSITORY

Word = tuple[str, str, str]
"""Type, status and reason of a condition."""


def version(ready: int = 1, workload: WorkloadView | None = None) -> VersionView:
    return VersionView("blue", 100, ready=ready, desired=1, busy=0, workload=workload or WorkloadView())


def in_trouble(workload: WorkloadView) -> EndpointView:
    return EndpointView(1, versions=(version(workload=workload),))


TROUBLES = (
    EndpointView(1, problems=("versions: must not be empty",)),
    EndpointView(1, problems=("hosts: digits.example.com is taken",), conflicts=True),
    EndpointView(1, versions=(version(),), keys_missing="there is no Secret digits-keys in namespace default"),
    EndpointView(1, versions=(version(),), key_problem="primaryKey is missing"),
    EndpointView(1, versions=(version(ready=0),)),
    in_trouble(WorkloadView(hpa="digits")),
    in_trouble(WorkloadView(unschedulable=2)),
    in_trouble(WorkloadView(failure="exceeded quota")),
    in_trouble(WorkloadView(problem="not found")),
)


def shown(view: EndpointView) -> set[Word]:
    conditions = status(view, (), datetime(2026, 1, 1, tzinfo=UTC))["conditions"]
    return {(each["type"], each["status"], each["reason"]) for each in conditions}


def test_each_trouble_is_on_the_page_and_nothing_else() -> None:
    page = (REPOSITORY / "docs" / "kubernetes.md").read_text()
    explained = set(re.findall(r"`(\w+)` (True|False), `(\w+)`", page))
    usual = shown(EndpointView(1, versions=(version(),)))
    troubles = set().union(*map(shown, TROUBLES)) - usual
    no_more_than_accepted_says = {(type, "False", "NotAccepted") for type in ("Ready", "KeysAvailable")}
    assert explained == troubles - no_more_than_accepted_says
