"""How the API server is reached: credentials and address from where kubectl and pods have them, errors in words.

lightkube reads kubeconfig files and service accounts, renews tokens, and speaks the API; this module decides timeouts
and says what its errors mean. Called by the composition root and by all that talks to the API server.
"""

from __future__ import annotations

import re
from typing import Final

import httpx2
import msgspec
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError
from yaml import YAMLError  # type: ignore[import-untyped]

from router.errors import MaitreError

TIMEOUT_S: Final = 10.0
"""Of one call; client-go has none, and hangs with the server."""
CONNECT_TIMEOUT_S: Final = 5.0
WRITE_WAIT_S: Final = 1.0
"""How long a call on a single object may wait for a connection. A write that only the leader may make asks whether it
leads, and then waits for this: not longer than the time from the end of a term to the beginning of the next."""

CALL_FAILED: Final = (httpx2.HTTPError, OSError, msgspec.MsgspecError, ConfigError)
"""What a call raises that the server refused (`ApiError` among them), never answered, or answered with something else;
the last: a token that is to be read anew and is not there."""


NO_KUBECONFIG: Final = (ConfigError, OSError, KeyError, ValueError, TypeError, AttributeError)
"""What lightkube raises for a file that is there and is something else; it looks at no part before it uses it."""

_FORBIDDEN: Final = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
"""The authorizer's sentence (apiserver/pkg/endpoints/handlers/responsewriters/errors.go, forbiddenMessage). What stands
before it has the object's name and ours."""

_NOWHERE: Final = "no cluster to connect to: neither a service account, nor KUBECONFIG, nor ~/.kube/config works"


class ClusterUnknown(MaitreError):
    """Nothing says where the API server is, or who we are; the message says what was looked for."""


def find_cluster() -> SingleConfig:
    """The service account of this pod, else KUBECONFIG, else ~/.kube/config. Raises ClusterUnknown."""
    try:
        found = KubeConfig.from_env().get()
    except YAMLError:  # without the parser's message: it quotes the file, which has credentials
        raise ClusterUnknown(f"{_NOWHERE}: the kubeconfig is not YAML") from None
    except NO_KUBECONFIG as error:
        raise ClusterUnknown(f"{_NOWHERE}: {error}") from error
    if found is None or found.user is None:
        raise ClusterUnknown("no cluster: the current context of the kubeconfig names no user")
    return found


def connect(cluster: SingleConfig) -> AsyncClient:
    """For calls on single objects."""
    timeout = httpx2.Timeout(TIMEOUT_S, connect=WRITE_WAIT_S, pool=WRITE_WAIT_S)
    return AsyncClient(cluster, timeout=timeout, field_manager="maitre", trust_env=False)


def connect_to_follow(cluster: SingleConfig) -> httpx2.AsyncClient:
    """For lists and watches: the same credentials, and the bare HTTP that `reflector.py` needs."""
    parameters = client_adapter.ConnectionParams(timeout=_timeout(), trust_env=False)
    return client_adapter.AsyncClient(cluster, parameters)


def explain(error: Exception) -> str:
    """In a few words, without what changes from one attempt to the next, and never a credential."""
    match error:
        case ApiError():
            if (lacking := lacking_right(error)) is not None:
                return lacking
            return f"{error.status.reason or error.status.code}: {error.status.message}"
        case httpx2.HTTPStatusError():
            return f"HTTP status {error.response.status_code}"
        case httpx2.TimeoutException() | TimeoutError():
            return "no answer in time"
        case _:
            return str(error) or type(error).__name__


def lacking_right(error: Exception) -> str | None:
    """Which right of the router is missing; None: the call failed for something else. Both are 403 where a webhook or a
    quota refuses."""
    right = _FORBIDDEN.search(error.status.message or "") if isinstance(error, ApiError) else None
    return None if right is None else _lacking(right)


def _lacking(right: re.Match[str]) -> str:
    where = f"namespace {right['namespace']}" if right["namespace"] else "all namespaces"
    group = f" of {right['group']}" if right["group"] else ""
    return (
        f"cannot {right['verb']} {right['resource']}{group} in {where}: forbidden, no role of the router has this right"
    )


def _timeout() -> httpx2.Timeout:
    return httpx2.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
