"""The SDK: endpoints, versions, keys, tokens and scoring from Python, over the admin API.

    from router.client import Maitre

    with Maitre("http://127.0.0.1:8081", token) as maitre:
        endpoint = maitre.create("digits", version_name="blue", command=["python", "model.py", "--port", "{port}"])
        endpoint.wait_for_deployment(show_output=True)
        print(endpoint.run({"data": [[0, 1, 2]]}).json())

Imports nothing of the server, and httpx only with the first request. `docs/sdk.md` is the reference.
"""

from router.client.endpoint import AsyncEndpoint, Endpoint
from router.client.errors import (
    Changed,
    ClientError,
    Conflict,
    Exists,
    Failed,
    Forbidden,
    Invalid,
    Misused,
    NotDeployed,
    NotFound,
    NotUnderstood,
    Problem,
    Refused,
    ScoringFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from router.client.maitre import AsyncMaitre, Maitre
from router.client.settings import UNSET
from router.client.values import AccessToken, Answer, Keys, Status, VersionStatus

__all__ = [
    "UNSET",
    "AccessToken",
    "Answer",
    "AsyncEndpoint",
    "AsyncMaitre",
    "Changed",
    "ClientError",
    "Conflict",
    "Endpoint",
    "Exists",
    "Failed",
    "Forbidden",
    "Invalid",
    "Keys",
    "Maitre",
    "Misused",
    "NotDeployed",
    "NotFound",
    "NotUnderstood",
    "Problem",
    "Refused",
    "ScoringFailed",
    "Status",
    "TimedOut",
    "Unauthorized",
    "Unreachable",
    "VersionStatus",
]
