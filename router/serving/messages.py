"""What the control process and its workers say to each other, beside the leases of `router.core.leases`.

    control ─► worker    what is served, where the replicas are, leases and recalls
    worker ─► control    how busy it is, what it has counted, bounds and demand

Immutable values, picklable. Each direction is one ordered stream (`router.workers.channel`), or, with one worker in the
control process itself, calls. What `crew` and `data_side` do on each message is the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from router.core.leases import Bound, Group
from router.model.spec import EndpointKey, KeySource, ScoringEndpoint, UpstreamTls
from router.settings import Settings
from router.store.keys import KeyPair
from router.telemetry.counters import EndpointTotals, MirrorTotals, VersionTotals
from router.telemetry.source import Clients


class Source(NamedTuple):
    """What a live endpoint is made from. `directory` is that of its configuration file."""

    endpoint: ScoringEndpoint
    keys: KeyPair | None
    directory: Path


class Served(NamedTuple):
    """An endpoint that is to be served, under its label, and the group of each of its versions."""

    label: str
    source: Source
    groups: Mapping[str, Group]


# -- from the control process -----------------------------------------------------------------------------------------


class Begin(NamedTuple):
    """The first message to a worker process."""

    settings: Settings
    default_namespace: str
    instance: str
    """What tells the workers of this maitre from those of others that share its state directory."""


class Configure(NamedTuple):
    """These endpoints are served as they are here, those are not served any more; all others stay as they are."""

    number: int
    """Grows by one with each; `InForce` answers with it."""
    put: tuple[Served, ...]
    removed: tuple[EndpointKey, ...] = ()


class IssuerKeys(NamedTuple):
    """The public keys of an outside issuer, from now on."""

    source: KeySource
    document: bytes | None
    """A JSON Web Key Set that was found good; None: no endpoint trusts this issuer any more."""


class Place(NamedTuple):
    """A replica is ready. It takes no request before slots of it are leased."""

    group: Group
    replica: str
    host: str
    port: int
    tls: UpstreamTls | None
    """With absolute paths; None: in the clear."""


class Withdraw(NamedTuple):
    """No new request for this replica. `Emptied` answers when its running ones have ended."""

    group: Group
    replica: str
    number: int


class Expect(NamedTuple):
    """Whether a replica is on its way, so that waiting for the first one makes sense."""

    group: Group
    coming: bool


class Forget(NamedTuple):
    """A version that is served no more, and whose requests have ended or are to end now."""

    group: Group


class QueuePart(NamedTuple):
    """This worker's part of every version's queue: the `nth` of `of` about equal ones, from 0."""

    nth: int
    of: int


class TermEnds(NamedTuple):
    """Until then the leases of this router may be used, whatever becomes of the control process."""

    at: float
    """Monotonic seconds, of the clock that all processes of a machine share."""


class Ship(NamedTuple):
    """Say at once how busy you are and what you have counted; `Shipped` follows it."""

    number: int


# -- from a worker ----------------------------------------------------------------------------------------------------


class Holdings(NamedTuple):
    """The first word of a worker that is adopted: all that it may be using."""

    bounds: tuple[Bound, ...]


class InForce(NamedTuple):
    """`Configure` of this number, and all before it, are in force."""

    number: int


class Load(NamedTuple):
    """How busy a version is in this worker. Cumulative numbers are since the worker's start."""

    group: Group
    queued: int = 0
    in_flight: int = 0
    tunnels: int = 0
    retrying: int = 0
    away: int = 0
    """Replicas that are ejected here."""
    arrivals: int = 0
    repeats: int = 0
    completions: int = 0
    service_s: float = 0.0
    held: Mapping[str, int] = {}
    """Slots held, by replica; those of which none is held are left out."""


class Loads(NamedTuple):
    """Of all versions of which it has changed."""

    loads: tuple[Load, ...]


class Rose(NamedTuple):
    """A request of this version has to wait, or is refused for load."""

    group: Group


class UnknownKey(NamedTuple):
    """A token names a key that is not in this issuer's set."""

    source: KeySource


class Emptied(NamedTuple):
    """A withdrawn replica runs nothing of this worker any more. `number` is that of `Withdraw`."""

    group: Group
    replica: str
    number: int


class Counted(NamedTuple):
    """What a worker has counted since its start, of all that has changed since it last said so."""

    versions: Mapping[Group, VersionTotals]
    mirrors: Mapping[Group, MirrorTotals]
    endpoints: Mapping[str, EndpointTotals]
    """By label; "" for requests that met no endpoint."""
    clients: Clients


class Shipped(NamedTuple):
    """All that `Ship` of this number asked for has been said."""

    number: int
