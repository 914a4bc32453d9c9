"""The compiled route table: from a request's head to the endpoint that answers it, in two dictionary look-ups.

A table is immutable and replaced whole by one assignment, so a request sees one configuration from its first byte to
its last. The cost of `find` does not depend on the number of endpoints.

Rules (contract, section 4): a host that an endpoint claims forwards every path; otherwise the path is
`/api/v1/service/<endpoint>/<rest>`, where `<endpoint>` is `<name>.<namespace>`, or the bare name in the default
namespace. `score` is rewritten to the picked version's scoring path, any other rest to `/<rest>`; the query goes along.
The path is matched as the bytes the client sent, never decoded, so routing and forwarding see the same path; a path
that could mean another one to the model, such as one with dot segments, was refused with its head.

Pure; `router.serving` builds tables, `router.proxy.exchange` asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from router.core.admission import Admission, Limits
from router.core.cors import CorsPolicy
from router.core.field import FieldOf
from router.core.heads import RequestHead
from router.core.traffic import Split
from router.errors import CopyDropped, Outcome

SERVICE_PREFIX: Final = b"/api/v1/service/"
PIN: Final = b"azureml-model-deployment"
"""The header that names the version that is to answer."""


class Credentials(Protocol):
    """Who may score on an endpoint."""

    @property
    def wants(self) -> str:
        """What to call a credential to whoever has none: key or token."""

    def admits(self, credential: bytes | None, now: float) -> bool:
        """Whether the credential of this digest (`bearer_digest`) is good. `now` is monotonic seconds."""

    def verifies(self, credential: bytes, text: bytes, now: float, unix_now: float) -> bool:
        """Asked when it is not: whether the credential itself shows that it is. `unix_now` is Unix seconds."""


class RefusalRecorder(Protocol):
    """Where the data plane counts requests that ended before a version was picked. `total_s` in seconds."""

    def finished(self, outcome: Outcome, code: int, total_s: float) -> None: ...


class Recorder(Protocol):
    """Where the data plane counts how requests of one version ended. Times in seconds; negative: there was none."""

    def finished(
        self,
        outcome: Outcome,
        code: int,
        total_s: float,
        upstream_s: float,
        queue_s: float,
        overhead_s: float,
    ) -> None: ...


class CopyRecorder(Protocol):
    """Where the data plane counts what became of the copies for one mirror version."""

    def finished(self, outcome: Outcome, total_s: float) -> None: ...
    def dropped(self, reason: CopyDropped) -> None: ...


def _ignore() -> None:
    pass


class VersionRoute:
    """One version as the data plane sees it."""

    __slots__ = (
        "admission",
        "endpoint",
        "header",
        "header_line",
        "load_rose",
        "name",
        "recorder",
        "scoring_path",
        "scoring_timeout_s",
        "server_timing",
    )

    def __init__(
        self,
        *,
        endpoint: str,
        name: str,
        admission: Admission[Any, Any],
        recorder: Recorder,
        scoring_path: str,
        scoring_timeout_s: float,
        load_rose: Callable[[], None] = _ignore,
        server_timing: bool = False,
    ) -> None:
        """`load_rose` is called when a request has to wait or is refused for load: the autoscaler may want to know."""
        self.endpoint = endpoint
        self.name = name
        self.admission = admission
        self.recorder = recorder
        self.scoring_path = scoring_path.encode()
        self.scoring_timeout_s = scoring_timeout_s
        self.load_rose = load_rose
        self.server_timing = server_timing
        self.header_line = b"azureml-model-deployment: %b\r\n" % name.encode() if name else b""
        self.header = b"\r\n" + self.header_line[:-2] if name else b""

    def path_for(self, rest: bytes) -> bytes:
        """The path on the replica for what follows the endpoint in the client's path, query included."""
        if rest == b"/score":
            return self.scoring_path
        if rest.startswith(b"/score?"):
            return self.scoring_path + rest[6:]
        return rest


class _Unpicked:
    """Counts what ended before a version was picked; without one there are no times but the whole."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: RefusalRecorder) -> None:
        self._recorder = recorder

    def finished(self, outcome: Outcome, code: int, total_s: float, *_times: float) -> None:
        self._recorder.finished(outcome, code, total_s)


def unpicked_route(endpoint: str, recorder: RefusalRecorder) -> VersionRoute:
    """Stands for the version while none is picked: it has no name and no replicas, and counts for the endpoint."""
    return VersionRoute(
        endpoint=endpoint,
        name="",
        admission=Admission(Limits()),
        recorder=_Unpicked(recorder),
        scoring_path="",
        scoring_timeout_s=0.0,
    )


@dataclass(frozen=True, slots=True)
class MirrorRoute:
    """A version that gets copies of live requests. `share`: of how many, in percent, above 0 and at most 100."""

    version: VersionRoute
    share: float
    recorder: CopyRecorder


class EndpointRoute:
    """One endpoint as the data plane sees it."""

    __slots__ = ("_split", "_sticky", "cors", "credentials", "mirrors", "name", "unpicked", "versions")

    def __init__(
        self,
        *,
        name: str,
        credentials: Credentials,
        versions: Mapping[str, VersionRoute],
        split: Split[VersionRoute],
        recorder: RefusalRecorder,
        sticky_header: str | None = None,
        cors: CorsPolicy | None = None,
        mirrors: Sequence[MirrorRoute] = (),
    ) -> None:
        self.name = name
        self.cors = cors
        self.credentials = credentials
        self.versions = {version.encode(): route for version, route in versions.items()}
        self.mirrors = tuple(mirrors)
        self.unpicked = unpicked_route(name, recorder)
        self._split = split
        self._sticky = FieldOf(sticky_header) if sticky_header else None

    def pick(self, head: RequestHead, u: float) -> VersionRoute | None:
        """The version that the request pins, else its sticky value's, else the percentiles' for `u` in [0, 1).

        None when the pinned version does not exist. A picked version without replicas is not replaced by another one.
        """
        pinned = head.fields.get(PIN)
        if pinned is not None:
            return self.versions.get(pinned.rstrip(b" \t"))
        if self._sticky is not None and (value := self._sticky.value(head)) is not None:
            return self._split.pick_sticky(value)
        return self._split.pick(u)

    def mirrors_for(self, head: RequestHead, draws: Sequence[float]) -> Sequence[MirrorRoute]:
        """The mirrors that get a copy of this request; `draws` has a number in [0, 1) for each of `mirrors`.

        Each mirror draws for itself, so 100 percent is every request, whatever the others get. A request that pins its
        version is meant for that one alone, and one that asks for an upgrade opens a conversation, of which no copy can
        be made.
        """
        if PIN in head.fields or head.upgrade:
            return ()
        return [mirror for mirror, u in zip(self.mirrors, draws, strict=True) if u < mirror.share / 100]


class RouteTable:
    """Endpoints by name and by host."""

    __slots__ = ("_by_host", "_by_name")

    def __init__(
        self, by_name: Mapping[str, EndpointRoute] | None = None, by_host: Mapping[str, EndpointRoute] | None = None
    ) -> None:
        self._by_name = {name.encode(): route for name, route in (by_name or {}).items()}
        self._by_host = {host.lower().encode(): route for host, route in (by_host or {}).items()}

    def find(self, head: RequestHead) -> tuple[EndpointRoute, bytes] | None:
        """The endpoint and the rest of the path (query included); None when no endpoint answers here."""
        target = head.target
        if self._by_host:
            route = self._by_host.get(_host_name(head.host))
            if route is not None:
                return route, target
        if not target.startswith(SERVICE_PREFIX):
            return None
        slash = target.find(b"/", len(SERVICE_PREFIX))
        if slash < 0:
            return None
        route = self._by_name.get(target[len(SERVICE_PREFIX) : slash])
        return None if route is None else (route, target[slash:])

    def __len__(self) -> int:
        return len(set(self._by_name.values()))


def _host_name(host: bytes) -> bytes:
    """Lower case, without port and final dot."""
    name, colon, port = host.rpartition(b":")
    if colon and (port.isdigit() or not port):
        host = name
    return host.lower().rstrip(b".")
