"""The schema as keyword names: what may be said of a version and of an endpoint, and where it stands in the resource.

The rule: a name is the key of the schema in snake_case; a key of a mapping has that mapping's name before it
(`autoscale.minReplicas` is `autoscale_min_replicas`, `cors.allowOrigins` is `cors_allow_origins`). The exceptions are
short because they are said so often: the three kinds of target are `deployment`, `command` and `urls`, and the fixed
size is `replicas`, which switches autoscaling off. What is not said is left to the schema, whose defaults are those of
AksWebservice where it has the same thing.

Pure. None stands for "not said"; in a change, `UNSET` takes a value back to its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, TypedDict

from router.client.errors import Misused


class VersionSettings(TypedDict, total=False):
    """What may be said of a version."""

    command: Sequence[str] | None
    """Local processes, one per replica; {port} becomes the port to listen on."""
    urls: Sequence[str] | None
    """Fixed replicas."""
    deployment: str | Mapping[str, Any] | None
    """A workload in the cluster: NAME:PORT, or a mapping with kind and apiVersion as well."""
    traffic_percentile: float | None
    """0 to 100; what no version claims goes to the default one."""
    is_default: bool | None
    """True takes the mark from the version that has it; False is ignored: a default can be replaced, not unset."""
    type: Literal["control", "treatment"] | None
    """`control` takes the mark from the version that has it."""
    autoscale_enabled: bool | None
    autoscale_min_replicas: int | None
    autoscale_max_replicas: int | None
    autoscale_target_utilization: int | None
    """Percent of the slots that are to be in use, 1 to 100."""
    autoscale_refresh_period_seconds: float | None
    autoscale_scale_down_window_seconds: float | None
    replicas: int | None
    """A fixed size instead of autoscaling."""
    max_concurrent_requests_per_replica: int | None
    max_queue_wait_ms: int | None
    max_queue_length: int | None
    scoring_timeout_ms: int | None
    cold_start_timeout_ms: int | None
    scoring_path: str | None
    readiness_path: str | None
    collect_data: bool | None
    mirror_percentile: float | None


class EndpointSettings(TypedDict, total=False):
    """What may be said of an endpoint as a whole."""

    auth_mode: Literal["key", "token", "none"] | None
    auth_keys_file: str | None
    auth_secret_name: str | None
    auth_token_issuer: str | None
    """Of an outside issuer, with audience and keys below; without them maitre issues its own tokens."""
    auth_token_audience: str | None
    auth_token_jwks_uri: str | None
    auth_token_algorithms: Sequence[str] | None
    auth_token_required_scopes: Sequence[str] | None
    auth_token_required_claims: Mapping[str, str] | None
    hosts: Sequence[str] | None
    cors_allow_origins: Sequence[str] | None
    sticky_header: str | None
    server_timing: bool | None


class NewEndpoint(VersionSettings, EndpointSettings, total=False):
    """An endpoint and its first version."""


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Any] = _Unset()
"""In a change: back to the default of the schema."""

_VERSION: Final = tuple(VersionSettings.__annotations__)
_ENDPOINT: Final = tuple(EndpointSettings.__annotations__)
_MAPPINGS: Final = (("auth", "token"), ("auth",), ("cors",), ("sticky",), ("autoscale",))
_OF_ONE_KEY: Final = (["cors"], ["sticky"])
"""Without that key there is nothing left of them."""
_TARGETS: Final = ("deployment", "command", "urls")


def new_version(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """A version as the resource has it, with what was said and nothing else. Raises TypeError for unknown names."""
    return {"name": name, **_without_none(version_patch(said))}


def new_spec(said: Mapping[str, Any], version: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of an endpoint with one version. Raises TypeError for unknown names."""
    return {**_without_none(endpoint_patch(said)), "versions": [version]}


def version_patch(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, as a merge patch (RFC 7386) of a version. Raises TypeError for unknown names."""
    said = dict(said)
    if said.get("is_default") is False:
        del said["is_default"]
    if said.get("replicas") not in (None, UNSET):
        said.setdefault("autoscale_enabled", False)
    patch = _patch(said, _VERSION)
    if patch.get("autoscale", {}).get("enabled"):
        patch["autoscale"].setdefault("replicas", None)
    return patch


def endpoint_patch(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, as a merge patch of an endpoint's spec. Raises TypeError for unknown names."""
    return _patch(said, _ENDPOINT)


def divided(said: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is about the endpoint, and what about its version. Raises TypeError for unknown names."""
    _require_known(said, (*_ENDPOINT, *_VERSION))
    return (
        {name: value for name, value in said.items() if name in _ENDPOINT},
        {name: value for name, value in said.items() if name in _VERSION},
    )


def _patch(said: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    _require_known(said, known)
    patch: dict[str, Any] = {}
    for name, value in said.items():
        if value is None:
            continue
        *mappings, key = _place(name)
        if value is UNSET and mappings in _OF_ONE_KEY:
            key = mappings.pop()
        place = patch
        for mapping in mappings:
            place = place.setdefault(mapping, {})
        place[key] = None if value is UNSET else _as_json(name, value)
    if "target" in patch:  # exactly one of them: the others go
        patch["target"] = dict.fromkeys(_TARGETS) | patch["target"]
    return patch


def _place(name: str) -> tuple[str, ...]:
    if name in _TARGETS:
        return ("target", name)
    if name == "replicas":
        return ("autoscale", "replicas")
    for mapping in _MAPPINGS:
        prefix = "_".join(mapping) + "_"
        if name.startswith(prefix):
            return (*mapping, _camel(name.removeprefix(prefix)))
    return (_camel(name),)


def _as_json(name: str, value: Any) -> Any:
    if name == "deployment" and isinstance(value, str):
        workload, _, port = value.rpartition(":")
        if not workload or not port.isdigit():
            raise Misused(f"deployment is NAME:PORT or a mapping, not {value!r}", code="bad_value")
        return {"name": workload, "port": int(port)}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _require_known(said: Mapping[str, Any], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in said:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            raise TypeError(f"there is no setting {name!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))


def _without_none(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_none(each) for key, each in value.items() if each is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
