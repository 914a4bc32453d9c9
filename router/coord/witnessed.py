"""A Lease whose calls also tell whether the API server answers: every second, where what is followed may be silent.

So `/readyz` and the metrics know early that it is away, and all that pauses knows early that it is back. Put around the
Lease by the composition of `router.serving.cluster`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from router.coord.election import Record, Version
from router.coord.lease import LeaseChanged, LeasePort, LeaseRefused, LeaseUnreachable, Sighting
from router.kube.reflector import Witness

T = TypeVar("T")


class WitnessedLease:
    """Implements `LeasePort` by another one. `subject` is what the Lease is called before the witness."""

    def __init__(self, lease: LeasePort, contact: Witness, subject: str) -> None:
        self._lease = lease
        self._contact = contact
        self._subject = subject

    async def read(self) -> Sighting | None:
        return await self._witnessed(self._lease.read())

    async def write(self, record: Record, under: Version | None) -> Version:
        return await self._witnessed(self._lease.write(record, under))

    async def _witnessed(self, call: Awaitable[T]) -> T:
        try:
            answer = await call
        except (LeaseChanged, LeaseRefused):  # an answer, too
            self._contact.made(self._subject)
            raise
        except LeaseUnreachable as error:
            self._contact.lost(self._subject, str(error))
            raise
        except asyncio.CancelledError:
            self._contact.lost(self._subject, "no answer in time")
            raise
        self._contact.made(self._subject)
        return answer

    def __repr__(self) -> str:
        return repr(self._lease)
