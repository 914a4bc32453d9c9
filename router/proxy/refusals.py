"""What a refused client reads: what went wrong in its case, the numbers, and the setting that would change it.

Pure; called by `router.proxy.exchange`.
"""

from __future__ import annotations

from router.core.routes import EndpointRoute, VersionRoute
from router.errors import Outcome

NO_ENDPOINT = "no endpoint answers here; the path is /api/v1/service/<endpoint>/score"
DRAINING = "the router is shutting down; try again on another connection"
SLOW_BODY = "the request's body did not arrive in time"


def unauthorized(endpoint: EndpointRoute) -> str:
    wanted = endpoint.credentials.wants
    return f"endpoint {endpoint.name} needs a valid {wanted}: Authorization: Bearer <{wanted}>"


def no_such_version(endpoint: EndpointRoute) -> str:
    names = ", ".join(name.decode() for name in endpoint.versions)
    return f"endpoint {endpoint.name} has no version of the name in azureml-model-deployment; it has {names}"


def body_too_large(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes"


def scoring_timeout(version: VersionRoute) -> str:
    return f"the model gave no whole answer within scoringTimeoutMs ({version.scoring_timeout_s * 1000:.0f})"


def for_load(version: VersionRoute, outcome: Outcome) -> str:
    """queue_timeout, queue_full and no_replicas: with busy, total, queued, as the caller finds them."""
    admission = version.admission
    limits = admission.limits
    numbers = f"busy {admission.busy}, total {admission.total}, queued {admission.queued}"
    who = f"version {version.name} of endpoint {version.endpoint}"
    match outcome:
        case Outcome.QUEUE_TIMEOUT:
            return f"{who} had no free replica within maxQueueWaitMs ({limits.queue_wait_s * 1000:.0f}): {numbers}"
        case Outcome.QUEUE_FULL:
            whole, here = limits.whole_queue_length, limits.queue_length
            queue = str(here) if whole is None else f"{whole}, of which {here} in this worker"
            return f"{who} has maxQueueLength ({queue}) requests waiting: {numbers}"
        case _ if admission.expecting:
            return f"{who} got no replica within coldStartTimeoutMs ({limits.cold_start_s * 1000:.0f}): {numbers}"
        case _:
            return f"{who} has no ready replica and none is on its way: {numbers}"
