"""What one worker serves: its lanes and the route table made of them, kept equal to what the control process says.

`configure` is the one way in. It changes what has changed in place, and then replaces the data plane's route table by
one assignment: a request sees the old table or the new one, never a mixture. A version that is served no more keeps its
lane, without a route to it, until it is forgotten. Owned by `data_side`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.core.cors import CorsPolicy
from router.core.credentials import KeyRing, Nobody, NoCredentials
from router.core.leases import Group
from router.core.routes import Credentials, EndpointRoute, MirrorRoute, RouteTable
from router.core.token_ring import TokenRing
from router.core.traffic import Split
from router.model.rules import default_version, shares
from router.model.spec import EndpointKey, ScoringEndpoint, Version
from router.serving.lane import Lane, LaneSurroundings
from router.serving.messages import Configure, Forget, QueuePart, Served, Source
from router.store.keys import KeyPair
from router.telemetry.counters import EndpointMetrics


class FrontEndpoint:
    """One endpoint in one worker. `label` is its name in URLs and metrics."""

    def __init__(self, label: str, source: Source, woken: Callable[[str, EndpointMetrics], None]) -> None:
        self.label = label
        self.source = source
        self.metrics = EndpointMetrics(lambda metrics: woken(label, metrics))
        self.lanes: list[Lane] = []
        self.route: EndpointRoute | None = None


class Front:
    def __init__(
        self,
        around: LaneSurroundings,
        publish: Callable[[RouteTable], None],
        counted: Callable[[str, EndpointMetrics], None],
        default_namespace: str,
    ) -> None:
        """`counted(label, metrics)`: a request ended before a version was picked, for the first time since it was
        last asked to be told."""
        self.unrouted = EndpointMetrics(lambda metrics: counted("", metrics))
        self.lanes: dict[Group, Lane] = {}
        self._around = around
        self._publish = publish
        self._counted = counted
        self._default_namespace = default_namespace
        self._endpoints: dict[EndpointKey, FrontEndpoint] = {}
        self._part = QueuePart(0, 1)

    def configure(self, configuration: Configure) -> None:
        for key in configuration.removed:
            self._endpoints.pop(key, None)
        for served in configuration.put:
            self._put(served)
        self._publish(self._table())

    def forget(self, forget: Forget) -> Lane | None:
        """The lane that there was; whoever asked closes it."""
        return self.lanes.pop(forget.group, None)

    def take_part(self, part: QueuePart) -> None:
        if part != self._part:
            self._part = part
            for lane in self.lanes.values():
                lane.take_part(part)

    def _put(self, served: Served) -> None:
        label, source, groups = served
        endpoint = source.endpoint
        front = self._endpoints.get(endpoint.key)
        if front is None:
            front = self._endpoints[endpoint.key] = FrontEndpoint(label, source, self._counted)
        front.source = source
        front.lanes = [self._lane(label, version, groups[version.name], endpoint) for version in endpoint.spec.versions]
        front.route = _compile(front, endpoint, source.keys)

    def _lane(self, label: str, version: Version, group: Group, endpoint: ScoringEndpoint) -> Lane:
        lane = self.lanes.get(group)
        if lane is None:
            lane = self.lanes[group] = Lane(group, label, version, self._part, self._around)
        lane.apply(version, self._part, endpoint.spec.server_timing)
        return lane

    def _table(self) -> RouteTable:
        by_name: dict[str, EndpointRoute] = {}
        by_host: dict[str, EndpointRoute] = {}
        for (namespace, name), front in self._endpoints.items():
            if front.route is None:
                continue
            by_name[f"{name}.{namespace}"] = front.route
            if namespace == self._default_namespace:
                by_name[name] = front.route
            by_host |= dict.fromkeys(front.source.endpoint.spec.hosts, front.route)
        return RouteTable(by_name, by_host)


def _compile(front: FrontEndpoint, endpoint: ScoringEndpoint, keys: KeyPair | None) -> EndpointRoute:
    spec = endpoint.spec
    routes = {lane.version: lane.route for lane in front.lanes}
    return EndpointRoute(
        name=front.label,
        credentials=_credentials(endpoint, keys),
        versions=routes,
        split=Split(routes, shares(spec), default_version(spec.versions).name),
        recorder=front.metrics,
        sticky_header=spec.sticky.header if spec.sticky else None,
        cors=CorsPolicy(spec.cors.allow_origins) if spec.cors else None,
        mirrors=_mirrors(front.lanes),
    )


def _mirrors(lanes: Iterable[Lane]) -> list[MirrorRoute]:
    return [mirror for lane in lanes if (mirror := lane.mirror()) is not None]


def _credentials(endpoint: ScoringEndpoint, keys: KeyPair | None) -> Credentials:
    match endpoint.spec.auth.mode:
        case "none":
            return NoCredentials()
        case "key" if keys is not None:
            return KeyRing(keys.primary, keys.secondary)
        case "token" if keys is not None:
            from router.core.own_tokens import OwnTokens  # noqa: PLC0415  a tenth of a second that keys do not need

            return TokenRing(OwnTokens(keys.primary, keys.secondary, endpoint.key))
        case _:  # keys that could not be read, tokens that cannot be checked: closed, not open
            return Nobody()
