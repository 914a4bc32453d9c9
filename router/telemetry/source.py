"""What the metrics page asks the running router for: the port that `main.py` fills in.

The page is read on the event loop, in slices, so `endpoints()` and `versions()` return sequences that stay as they are
while the loop runs on: the tuples of a route table, which a reload replaces and never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from router.telemetry.counters import EndpointTotals, MirrorTotals, ScaleEvents, VersionTotals

T_co = TypeVar("T_co", covariant=True)


class VersionLoad(NamedTuple):
    """How busy a version is at this moment."""

    busy: int  # replicas with at least one slot held
    total: int  # ready replicas
    slots: int  # of all ready replicas together
    in_flight: int  # requests that hold a slot
    queued: int  # requests that wait for one
    desired: int | None  # replicas that the autoscaler wants; None for a version that is never scaled
    traffic_percentile: float  # effective, 0 to 100: the default version's includes what nobody claims
    tunnels: int = 0  # of the requests in flight: upgraded connections
    unschedulable: int | None = None  # pods that no node has room for; None outside of a cluster
    held_by_hpa: bool | None = None  # whether a HorizontalPodAutoscaler scales it; None outside of a cluster

    @property
    def utilization(self) -> float:
        """(in flight + queued) / slots; above 1 when requests wait.

        Without slots it is the demand itself, as if there was one: 0 when idle, at least 1 when somebody waits for the
        first replica. Never infinite, so that averages and dashboards over it stay usable.
        """
        return (self.in_flight + self.queued) / max(1, self.slots)


class Clients(NamedTuple):
    """The connections of clients to the data port."""

    open: int
    refused: int  # turned away since the start, because all that may stand were at work
    displaced: int  # ended between requests since the start, to make room for another


class CrewReading(NamedTuple):
    """The workers of this router."""

    failures: int  # workers that ended unasked, since the start
    told: int  # messages to workers since the start
    heard: int  # messages from them


class ClusterReading(NamedTuple):
    """How a router in a cluster stands."""

    connected: Mapping[str, bool]  # by what is followed on the API server, whether it answers
    leading: bool
    terms: int  # begun by this router since its start
    events_dropped: int
    coordination: CoordinationReading | None = None  # None: this router uses all slots by itself


class Counts(Protocol[T_co]):
    """What was counted until now; None where there is nothing, which costs next to nothing."""

    def snapshot(self) -> T_co | None: ...


class CoordinationReading(NamedTuple):
    """How this router stands with the coordinator of the cluster's slots."""

    standing: str
    turns: Mapping[str, int]  # by standing, how often it was come to
    routers: int  # that this one knows of, itself among them


class FrontendReading(NamedTuple):
    """The router's own size, and what it rests on."""

    workers: int
    routing_s: float  # what a request waits in this router, but for a slot; in the mean of the last seconds
    cpu: float  # cores that all workers use, or wait for
    changes: Mapping[tuple[str, str], int]  # since the start, by part and direction


class EndpointSource(Protocol):
    """One endpoint. `label` is the name as URLs have it: bare in the default namespace, else `name.namespace`."""

    @property
    def label(self) -> str: ...
    @property
    def metrics(self) -> Counts[EndpointTotals]: ...


class VersionSource(Protocol):
    """One version of an endpoint, under the endpoint's label and its own name."""

    @property
    def endpoint(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def metrics(self) -> Counts[VersionTotals]: ...
    @property
    def mirror_metrics(self) -> Counts[MirrorTotals]: ...

    @property
    def scale_events(self) -> ScaleEvents: ...
    def load(self) -> VersionLoad: ...


class Source(Protocol):
    """The whole router, called on the event loop only; nothing here waits but `refresh`."""

    async def refresh(self) -> None:
        """Has what was counted until now at hand, wherever it was counted."""

    def endpoints(self) -> Sequence[EndpointSource]: ...
    def versions(self) -> Sequence[VersionSource]: ...
    @property
    def unrouted(self) -> Counts[EndpointTotals]:
        """Requests that matched no endpoint."""

    def config_problems(self) -> int:
        """How many problems the newest configuration has; 0 when it is the one in force."""
