"""The Lease that the candidates share: what the election's shell asks of it, and the real one in an API server.

Every call ends in one of three ways: it was done; it was not, because the Lease is not in the version expected
(`LeaseChanged`); or nobody can tell (`LeaseUnreachable`: no answer, a refusal, an answer that makes no sense). It must
let itself be cancelled, and is unknown then too. Timestamps are written for people to read and never read here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

from lightkube import ApiError, AsyncClient
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from router.coord.election import FREE, Record, Version
from router.errors import MaitreError
from router.kube.client import CALL_FAILED, explain

ADDRESS: Final = "maitre.dev/coordinator"
"""Annotation: where the holder coordinates slots, host:port."""

ROUTERS: Final = "maitre.dev/routers"
"""Annotation: who may be using slots, names with a blank between."""


class LeaseChanged(MaitreError):
    """A write was not made, because the Lease is not, or no longer, in the version that it was to replace."""


class LeaseUnreachable(MaitreError):
    """It is not known what came of a call; the message says why."""


class LeaseRefused(LeaseUnreachable):
    """The API server answers, but not to this: nothing was done, and somebody has to change the rights."""


class Sighting(NamedTuple):
    """What a Lease says, and in which version."""

    record: Record
    version: Version


class LeasePort(Protocol):
    async def read(self) -> Sighting | None:
        """What it says now; None if there is none. Raises LeaseUnreachable."""

    async def write(self, record: Record, under: Version | None) -> Version:
        """Put `record` in the place of `under`, or make the Lease. Raises LeaseChanged, LeaseUnreachable."""


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class ClusterLease:
    """One Lease of coordination.k8s.io/v1. What others wrote into its metadata stays as it is."""

    def __init__(
        self, client: AsyncClient, namespace: str, name: str, wall_clock: Callable[[], datetime] = _wall_clock
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._wall_clock = wall_clock
        self._last = Lease(metadata=ObjectMeta(name=name, namespace=namespace))
        """As last read or written."""

    def __repr__(self) -> str:
        return f"<ClusterLease {self._namespace}/{self._name}>"

    async def read(self) -> Sighting | None:
        try:
            self._last = await self._client.get(Lease, self._name, namespace=self._namespace)
        except CALL_FAILED as error:
            if _status(error) == HTTPStatus.NOT_FOUND:
                return None
            raise _unreachable(error) from error
        return Sighting(_record(self._last), _version(self._last))

    async def write(self, record: Record, under: Version | None) -> Version:
        lease = Lease(metadata=self._metadata(record, under), spec=self._spec(record))
        try:
            if under is None:
                self._last = await self._client.create(lease)
            else:
                self._last = await self._client.replace(lease)
        except CALL_FAILED as error:
            if _status(error) in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                raise LeaseChanged(explain(error)) from error
            raise _unreachable(error) from error
        return _version(self._last)

    def _metadata(self, record: Record, under: Version | None) -> ObjectMeta:
        """With the uid: the API server would make a Lease anew that is not there, whatever revision is named."""
        if under is None:
            return ObjectMeta(name=self._name, namespace=self._namespace, annotations=_annotations({}, record))
        last = self._last.metadata or ObjectMeta()
        return ObjectMeta(
            name=self._name,
            namespace=self._namespace,
            uid=under.uid,
            resourceVersion=under.revision,
            labels=last.labels,
            annotations=_annotations(last.annotations or {}, record),
            ownerReferences=last.ownerReferences,
            finalizers=last.finalizers,
        )

    def _spec(self, record: Record) -> LeaseSpec:
        last, now = self._last.spec or LeaseSpec(), self._wall_clock()
        acquired = last.acquireTime if last.holderIdentity == record.holder else None
        return LeaseSpec(
            holderIdentity=record.holder or None,
            leaseDurationSeconds=record.duration_s,
            leaseTransitions=record.transitions,
            acquireTime=_with_fraction(acquired or now),
            renewTime=_with_fraction(now),
        )


def _record(lease: Lease) -> Record:
    spec, notes = lease.spec or LeaseSpec(), (lease.metadata or ObjectMeta()).annotations or {}
    return Record(
        spec.holderIdentity or FREE,
        spec.leaseDurationSeconds or 0,
        spec.leaseTransitions or 0,
        notes.get(ADDRESS, ""),
        tuple(notes.get(ROUTERS, "").split()),
    )


def _annotations(others: dict[str, str], record: Record) -> dict[str, str]:
    """What others wrote, and what the record says."""
    return others | {ADDRESS: record.address, ROUTERS: " ".join(record.routers)}


def _version(lease: Lease) -> Version:
    metadata = lease.metadata
    if metadata is None or not metadata.uid or not metadata.resourceVersion:
        raise LeaseUnreachable("the API server answered with a Lease without uid or resourceVersion")
    return Version(metadata.uid, metadata.resourceVersion)


def _unreachable(error: Exception) -> LeaseUnreachable:
    refused = _status(error) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return (LeaseRefused if refused else LeaseUnreachable)(explain(error))


def _status(error: Exception) -> int | None:
    return error.status.code if isinstance(error, ApiError) else None


def _with_fraction(moment: datetime) -> datetime:
    """Never a whole second: it would be written without a fraction, and a MicroTime without one is refused."""
    return moment.replace(microsecond=moment.microsecond or 1)
