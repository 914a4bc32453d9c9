"""What an API server's refusal of a scale means, in words for the user: what stands in the way, and what to change.

Errors of lightkube, and of the HTTP client below it, come in; `ScaleFailed` goes out, its words the same for each
repetition of the same refusal. Called by `scale_subresource`.
"""

from __future__ import annotations

import re
from typing import Final

import httpx2
import msgspec
from lightkube import ApiError
from lightkube.core.exceptions import ConfigError

from autoscaler.errors import ScaleFailed, Why

CALL_FAILED: Final = (httpx2.HTTPError, OSError, msgspec.MsgspecError, ConfigError)
"""What a call raises that the server refused (`ApiError` among them), never answered, or answered with something else;
the last: credentials that are to be read anew and are not there."""

_RBAC = re.compile(r"cannot (?P<verb>\w+) resource \"(?P<resource>[^\"]+)\" in API group \"(?P<group>[^\"]*)\"")
"""The authorizer's sentence: apiserver/pkg/endpoints/handlers/responsewriters/errors.go, forbiddenMessage."""

_QUOTA = re.compile(r"exceeded quota|(maximum|minimum) \w+ usage per|failed quota")
"""The sentences of the admission plugins ResourceQuota and LimitRanger."""


def scale_failed(error: Exception, workload: str) -> ScaleFailed:
    """`workload` as the user calls it, such as `Deployment web/digits-blue`."""
    match error:
        case ApiError():
            return _refused(error, workload)
        case httpx2.HTTPStatusError():
            return ScaleFailed(f"{workload}: the API server answers with HTTP status {error.response.status_code}")
        case httpx2.TimeoutException() | TimeoutError():
            return ScaleFailed(f"{workload}: the API server does not answer in time")
        case _:
            return ScaleFailed(f"{workload}: the API server cannot be asked: {str(error) or type(error).__name__}")


def _refused(error: ApiError, workload: str) -> ScaleFailed:
    code, said = error.status.code, error.status.message or error.status.reason or ""
    match code:
        case 403 if rule := _RBAC.search(said):
            group = rule["group"] or '""'
            return ScaleFailed(
                f"{workload}: the router may not {rule['verb']} {rule['resource']} in API group {group}: "
                f"its role lacks the rule apiGroups [{group}], resources [{rule['resource']}], verbs [{rule['verb']}]",
                Why.REFUSED,
            )
        case 403 if _QUOTA.search(said):
            return ScaleFailed(f"{workload}: {said}", Why.QUOTA_EXCEEDED)
        case 404 if error.status.details is not None and error.status.details.name:
            return ScaleFailed(f"{workload} does not exist", Why.NOT_FOUND)
        case 404:
            return ScaleFailed(f"{workload} has no scale subresource", Why.NOT_FOUND)
        case 400 | 401 | 403 | 405 | 422:
            return ScaleFailed(f"{workload}: refused: {said}", Why.REFUSED)
        case _:
            return ScaleFailed(f"{workload}: the API server answers: {said}")
