"""What single values of the schema may look like: each type with its range and the words that say so to a user.

A type carries its own limits, so that the check, the message and the JSON schema cannot disagree. Whole numbers need no
words: "a whole number from 1 to 10" is made from the limits. Patterns are in the dialect that Python, Rust (pydantic)
and ECMA 262 (JSON schema) share, so that an API server applies the same ones. Used by `spec.py`; read by `wording.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

PORT_PLACEHOLDER: Final = "{port}"
"""Stands in a command where the port goes that the router picks for the replica."""

MAX_PERCENT_DECIMALS: Final = 6
"""Enough for one request in a hundred million, and few enough that sums of floats stay exact as decimals."""

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_MAX_MS = 86_400_000
_UNIQUE: JsonDict = {"uniqueItems": True}
"""What `_distinct` sees to, for the JSON schema."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a value may be, as the end of the sentence "... is not allowed: ..."."""

    words: str


def _few_decimals(percent: float) -> float:
    if round(percent, MAX_PERCENT_DECIMALS) != percent:
        raise ValueError(f"a number from 0 to 100 with at most {MAX_PERCENT_DECIMALS} decimals")
    return percent


def _with_port(command: tuple[str, ...]) -> tuple[str, ...]:
    if not any(PORT_PLACEHOLDER in word for word in command):
        raise ValueError(f"{PORT_PLACEHOLDER} must stand in it at least once, for the port that the replica listens on")
    return command


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"every entry only once; number {index + 1} repeats an earlier one")
    return values


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _bare_address(url: str) -> str:
    """Refuses all that is more than scheme, host and port: a replica is an address; paths are `scoringPath`'s."""
    try:
        parts = urlsplit(url)
        port = parts.port  # reading it checks the range
    except ValueError:
        raise ValueError("its host or port cannot be understood") from None
    if "@" in parts.netloc:
        raise ValueError("a URL without user name and password")
    if not parts.hostname or port == 0:
        raise ValueError("http:// or https:// with a host and, if need be, a port from 1 to 65535")
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        raise ValueError("only scheme, host and port; the path belongs into scoringPath")
    return url


def trustworthy(url: str) -> str:
    """The URL itself. Who can change a key set on its way can sign tokens; so it comes over TLS or from this machine.

    Raises ValueError with what it must be.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise ValueError("its host cannot be understood") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValueError("an https:// URL (http:// only to this machine itself)")
    if "@" in parts.netloc:
        raise ValueError("a URL without user name and password")
    return url


Name = Annotated[
    str,
    Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=3, max_length=32),
    Allowed("3 to 32 lower-case letters, digits and hyphens, a letter first, no hyphen last"),
]
"""Of an endpoint or a version."""

Namespace = Annotated[
    str,
    Field(pattern=rf"^{_LABEL}$", max_length=63),
    Allowed("1 to 63 lower-case letters, digits and hyphens, no hyphen first or last"),
]
"""As Kubernetes has it (RFC 1123 label)."""

ObjectName = Annotated[
    str,
    Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253),
    Allowed("the name of a Kubernetes object: lower-case letters, digits, hyphens and dots, at most 253"),
]

Host = Annotated[
    str,
    Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253),
    Allowed("a host name in lower case, without scheme, port, path and wildcard"),
]
"""Lower case, because hosts are compared as lower-cased bytes on the hot path."""

Origin = Annotated[
    str,
    Field(pattern=r"^(\*|[a-z][-+.a-z0-9]*://[-._a-z0-9\[\]:]+)$"),
    Allowed("* or an origin as browsers send it: scheme://host or scheme://host:port, lower case, no path"),
]

HeaderName = Annotated[
    str,
    Field(pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$", max_length=128),
    Allowed("the name of a header (RFC 9110 token), at most 128 characters"),
    AfterValidator(str.lower),
]
"""Kept in lower case; header names are compared without regard to case."""

Percent = Annotated[
    float, Field(ge=0, le=100, allow_inf_nan=False), AfterValidator(_few_decimals), Allowed("a number from 0 to 100")
]

ScoringPath = Annotated[
    str,
    Field(pattern=r"^/[-A-Za-z0-9._~!$&'()*+,;=:@%/]*$", max_length=2048),
    Allowed("a path that begins with /, without query, spaces and letters beyond ASCII (percent-encode them)"),
]

ReadinessPath = Annotated[
    str,
    Field(pattern=r"^/[-A-Za-z0-9._~!$&'()*+,;=:@%/?]*$", max_length=2048),
    Allowed("a path that begins with /, a query allowed, without spaces and letters beyond ASCII"),
]

FilePath = Annotated[str, Field(pattern=r"^[^\x00]+$", max_length=4096), Allowed("the path of a file")]
"""Relative to the directory of the configuration file, or absolute."""

Text = Annotated[str, Field(min_length=1, max_length=4096), Allowed("a text of 1 to 4096 characters")]

Port = Annotated[int, Field(ge=1, le=65_535)]

Kind = Annotated[
    str,
    Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$"),
    Allowed("a Kubernetes kind with a scale subresource, such as Deployment or StatefulSet"),
]

ApiVersion = Annotated[
    str,
    Field(pattern=r"^([-a-z0-9]+(\.[-a-z0-9]+)*/)?v[0-9][a-z0-9]*$", max_length=253),
    Allowed("a Kubernetes API version, such as apps/v1"),
]

CommandWord = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=65_536), Allowed("a text; put numbers in quotes")]

Command = Annotated[
    tuple[CommandWord, ...],
    Field(strict=False, min_length=1, max_length=1000),
    AfterValidator(_with_port),
    Allowed(f"a list of texts, the program first, {PORT_PLACEHOLDER} in it at least once"),
]
"""Started without a shell."""

ReplicaUrl = Annotated[
    str,
    Field(pattern=r"^https?://[!-~]+$", max_length=2048),
    AfterValidator(_bare_address),
    Allowed("http:// or https:// with a host and, if need be, a port from 1 to 65535"),
]

ReplicaUrls = Annotated[
    tuple[ReplicaUrl, ...],
    Field(strict=False, min_length=1, max_length=1000, json_schema_extra=_UNIQUE),
    AfterValidator(_distinct),
    Allowed("a list of 1 to 1000 URLs"),
]

KeySetUrl = Annotated[
    str,
    Field(pattern=r"^https?://[!-~]+$", max_length=2048),
    AfterValidator(trustworthy),
    Allowed("an https:// URL (http:// only to this machine itself)"),
]

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Of signatures (RFC 7518, RFC 8037). None with a shared secret: a public key could be taken for one."""

Algorithms = Annotated[
    tuple[Algorithm, ...],
    Field(strict=False, min_length=1, max_length=10, json_schema_extra=_UNIQUE),
    AfterValidator(_distinct),
    Allowed(f"a list of {', '.join(get_args(Algorithm))}"),
]

Scope = Annotated[
    str,
    Field(pattern=r"^[!#-\[\]-~]+$", max_length=256),
    Allowed("a scope: printable ASCII without spaces, quotes and backslashes, at most 256 characters"),
]
"""RFC 6749 section 3.3."""

Scopes = Annotated[
    tuple[Scope, ...],
    Field(strict=False, max_length=32, json_schema_extra=_UNIQUE),
    AfterValidator(_distinct),
    Allowed("a list of at most 32 scopes"),
]

Claims = Annotated[dict[str, str], Field(max_length=32), Allowed("a mapping of at most 32 claims to texts")]

Hosts = Annotated[
    tuple[Host, ...],
    Field(strict=False, max_length=100, json_schema_extra=_UNIQUE),
    AfterValidator(_distinct),
    Allowed("a list of at most 100 host names"),
]

Origins = Annotated[
    tuple[Origin, ...],
    Field(strict=False, min_length=1, max_length=100, json_schema_extra=_UNIQUE),
    AfterValidator(_distinct),
    Allowed("a list of 1 to 100 origins"),
]

Slots = Annotated[int, Field(ge=1, le=1000)]
"""Requests at once on one replica. Azure ML takes 1 by default; a thousand is all that one server process bears."""

QueueLength = Annotated[int, Field(ge=0, le=1_000_000)]
"""Requests. 0: nothing waits. A million waiting requests are some gigabytes of heads; more is a mistake."""

TimeoutMs = Annotated[int, Field(ge=1, le=_MAX_MS)]
"""Milliseconds, up to a day: longer than any proxy on the way keeps a silent connection, so more cannot be kept."""

WaitMs = Annotated[int, Field(ge=0, le=_MAX_MS)]
"""Milliseconds, up to a day. 0: do not wait."""

Replicas = Annotated[int, Field(ge=0, le=10_000)]
"""0 is scale to zero. Ten thousand is twice the nodes that Kubernetes supports in one cluster (5,000)."""

MaxReplicas = Annotated[int, Field(ge=1, le=10_000)]

Utilization = Annotated[int, Field(ge=1, le=100)]
"""Percent of the slots that are to be in use, as in Azure ML's autoscale_target_utilization."""

RefreshSeconds = Annotated[
    float, Field(ge=0.05, le=3600, allow_inf_nan=False), Allowed("a number of seconds from 0.05 to 3600")
]

WindowSeconds = Annotated[
    float, Field(ge=0, le=86_400, allow_inf_nan=False), Allowed("a number of seconds from 0 to 86400")
]
"""Up to a day, the longest cycle of load that one wants to remember. 0: shrink at once."""
