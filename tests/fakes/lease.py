"""A Lease as an API server keeps it, and the way to it, on which calls hang, fail, or lose their answer.

`LeaseStore` compares versions as the API server does (tests/kube holds the real one against the same expectations);
it is synchronous, so that a simulation decides when a call arrives. `FakeLease` is one candidate's port to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

from router.coord.election import Record, Version
from router.coord.lease import LeaseChanged, LeaseRefused, LeaseUnreachable, Sighting


class LeaseStore:
    """One Lease, or none. Revisions are never used twice, also after a deletion."""

    def __init__(self) -> None:
        self.stands: Sighting | None = None
        self._revisions = count(1)

    def read(self) -> Sighting | None:
        return self.stands

    def write(self, record: Record, under: Version | None) -> Version:
        if under != (self.stands.version if self.stands else None):
            raise LeaseChanged("the object has been modified")
        return self.put(record)

    def put(self, record: Record) -> Version:
        """As a hand that looks at no version."""
        revision = str(next(self._revisions))
        uid = self.stands.version.uid if self.stands else f"uid-{revision}"
        self.stands = Sighting(record, Version(uid, revision))
        return self.stands.version

    def delete(self) -> None:
        self.stands = None


class FakeLease:
    """A port whose way the test changes: `way` is awaited before (and `way_back` after) the store is asked."""

    def __init__(self, store: LeaseStore) -> None:
        self.store = store
        self.calls: list[str] = []
        self.may_write = True
        self.way: Callable[[], Awaitable[None]] = straight
        self.way_back: Callable[[], Awaitable[None]] = straight

    async def read(self) -> Sighting | None:
        self.calls.append("read")
        await self.way()
        answer = self.store.read()
        await self.way_back()
        return answer

    async def write(self, record: Record, under: Version | None) -> Version:
        self.calls.append(f"write {record.holder or 'nobody'}")
        await self.way()
        if not self.may_write:
            raise LeaseRefused("cannot update leases")
        answer = self.store.write(record, under)
        await self.way_back()
        return answer


async def straight() -> None:
    """No fault."""


async def hang() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise LeaseUnreachable("connection refused")
