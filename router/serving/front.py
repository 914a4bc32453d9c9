"""What one worker serves: its lanes and the route table made of them, kept equal to what the control process says.

`configure` is the one way in. It changes what has changed in place, and then replaces the data plane's route table by
one assignment: a request sees the old table or the new one, never a mixture. A version that is served no more keeps its
lane, without a route to it, until it is forgotten. Owned by `data_side`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.core.cors import CorsPolicy
from router.core.leases import Group
from router.core.routes import EndpointRoute, MirrorRoute, RouteTable
from router.core.traffic import Split
from router.model.rules import default_version, shares
from router.model.spec import EndpointKey, KeySource, ScoringEndpoint, Version
from router.serving.admittance import TrustedIssuers, credentials_of
from router.serving.lane import Lane, LaneSurroundings
from router.serving.messages import Configure, Forget, IssuerKeys, QueuePart, Served, Source
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
        unknown_key: Callable[[KeySource], None],
        default_namespace: str,
    ) -> None:
        """`counted(label, metrics)`: a request ended before a version was picked, for the first time since it was
        last asked to be told. `unknown_key`: a token names a key that its issuer's set does not have."""
        self.unrouted = EndpointMetrics(lambda metrics: counted("", metrics))
        self.lanes: dict[Group, Lane] = {}
        self._around = around
        self._publish = publish
        self._counted = counted
        self._issuers = TrustedIssuers(unknown_key)
        self._default_namespace = default_namespace
        self._endpoints: dict[EndpointKey, FrontEndpoint] = {}
        self._part = QueuePart(0, 1)

    def configure(self, configuration: Configure) -> None:
        for key in configuration.removed:
            self._endpoints.pop(key, None)
        for served in configuration.put:
            self._put(served)
        self._publish(self._table())

    def issuer_keys(self, message: IssuerKeys) -> None:
        """Endpoints that trust this issuer begin anew with the tokens that they know."""
        self._issuers.put(message)
        concerned = [front for front in self._endpoints.values() if _trusts(front, message.source)]
        for front in concerned:
            self._compile(front)
        if concerned:
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
        self._compile(front)

    def _lane(self, label: str, version: Version, group: Group, endpoint: ScoringEndpoint) -> Lane:
        lane = self.lanes.get(group)
        if lane is None:
            lane = self.lanes[group] = Lane(group, label, version, self._part, self._around)
        lane.apply(version, self._part, endpoint.spec.server_timing)
        return lane

    def _compile(self, front: FrontEndpoint) -> None:
        spec = front.source.endpoint.spec
        routes = {lane.version: lane.route for lane in front.lanes}
        front.route = EndpointRoute(
            name=front.label,
            credentials=credentials_of(front.source, self._issuers),
            versions=routes,
            split=Split(routes, shares(spec), default_version(spec.versions).name),
            recorder=front.metrics,
            sticky_header=spec.sticky.header if spec.sticky else None,
            cors=CorsPolicy(spec.cors.allow_origins) if spec.cors else None,
            mirrors=_mirrors(front.lanes),
        )

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


def _mirrors(lanes: Iterable[Lane]) -> list[MirrorRoute]:
    return [mirror for lane in lanes if (mirror := lane.mirror()) is not None]


def _trusts(front: FrontEndpoint, source: KeySource) -> bool:
    token = front.source.endpoint.spec.auth.token
    return token is not None and token.key_source == source
