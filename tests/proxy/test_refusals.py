"""What refused clients read: the numbers of the case, and the knob that would change it. Never a credential."""

import pytest

from router.core.admission import Admission, Limits
from router.core.credentials import KeyRing
from router.core.routes import EndpointRoute, VersionRoute
from router.core.traffic import Split
from router.errors import Outcome
from router.proxy import refusals


class Ignored:
    def finished(self, *what):
        """Nothing is counted here."""


def version(name="blue", limits=None, scoring_timeout_s=60.0):
    return VersionRoute(
        endpoint="digits",
        name=name,
        admission=Admission(limits or Limits()),
        recorder=Ignored(),
        scoring_path="/score",
        scoring_timeout_s=scoring_timeout_s,
    )


@pytest.fixture
def endpoint():
    versions = {"blue": version("blue"), "green": version("green")}
    return EndpointRoute(
        name="digits",
        credentials=KeyRing("first-secret", "second-secret"),
        versions=versions,
        split=Split(versions, {"blue": 100.0, "green": 0.0}, "blue"),
        recorder=Ignored(),
    )


def test_who_has_no_key_reads_how_to_send_one_and_no_key(endpoint):
    message = refusals.unauthorized(endpoint)
    assert message == "endpoint digits needs a valid key: Authorization: Bearer <key>"


def test_who_pins_a_version_that_is_not_there_reads_which_are(endpoint):
    message = refusals.no_such_version(endpoint)
    assert "azureml-model-deployment" in message
    assert message.endswith("it has blue, green")


def test_who_sends_too_much_reads_how_much_is_allowed():
    assert refusals.body_too_large(1024) == "the body is larger than 1024 bytes"


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(60.0, "60000"), (0.29, "290"), (0.001, "1"), (86399.999, "86399999")]
)
def test_times_are_said_as_they_were_configured(seconds, milliseconds):
    route = version(scoring_timeout_s=seconds, limits=Limits(queue_wait_s=seconds, cold_start_s=seconds))
    assert refusals.scoring_timeout(route).endswith(f"within scoringTimeoutMs ({milliseconds})")
    assert f"maxQueueWaitMs ({milliseconds})" in refusals.for_load(route, Outcome.QUEUE_TIMEOUT)
    route.admission.expecting = True
    assert f"coldStartTimeoutMs ({milliseconds})" in refusals.for_load(route, Outcome.NO_REPLICAS)


@pytest.mark.parametrize(
    ("outcome", "knob"),
    [(Outcome.QUEUE_TIMEOUT, "maxQueueWaitMs (500)"), (Outcome.QUEUE_FULL, "maxQueueLength (2)")],
)
def test_who_is_refused_for_load_reads_the_numbers_and_the_knob(outcome, knob):
    route = version(limits=Limits(queue_length=2))
    route.admission.add_replica("x", None, 0.0)
    route.admission.acquire("a", "client", 0.0)
    route.admission.enqueue("b", "client", 0.0)
    message = refusals.for_load(route, outcome)
    assert message.startswith("version blue of endpoint digits ")
    assert knob in message
    assert message.endswith(": busy 1, total 1, queued 1")


def test_who_meets_no_replica_reads_whether_one_is_coming():
    route = version()
    message = refusals.for_load(route, Outcome.NO_REPLICAS)
    assert "no ready replica and none is on its way: busy 0, total 0, queued 0" in message
    route.admission.expecting = True
    assert "within coldStartTimeoutMs (60000)" in refusals.for_load(route, Outcome.NO_REPLICAS)
