"""Certificates, keys and authorities from files that may change at any time: read, watched, taken for new connections.

Mounted secrets are swapped by a link, written in two steps, or are late: so files are looked at by the clock rather
than by events, and what cannot be used as it stands (a key that does not belong to the certificate yet, half a file)
never replaces what can. Connections that stand know nothing of it.

What could never be read serves nobody: `Kept.get` raises, so that a connection fails instead of going on in the clear.
Made by `router.main`, which runs `watch`; all but the reading happens on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from router.errors import CertificateRefused
from router.model.spec import UpstreamTls
from router.store import contexts
from router.store.contexts import Served
from router.store.stamps import Stamp, stamp

log = logging.getLogger("maitre.tls")

LOOK_S: Final = 0.5
"""How often files are looked at: what changed is to be in force within a second."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What the files gave when they were read last. `value` may be of an earlier reading, if this one has a problem."""

    stamps: tuple[Stamp | None, ...]
    value: T | None
    problem: str | None


class Kept(Generic[T]):
    """Something made of files, the last good one while they cannot be used."""

    def __init__(self, files: Iterable[Path], make: Callable[[], T]) -> None:
        self._files = tuple(files)
        self._make = make
        self.reading: Reading[T] = self._read(None)

    def get(self) -> T:
        """Raises CertificateRefused while the files have never been right."""
        if self.reading.value is None:
            raise CertificateRefused(self.reading.problem or "")
        return self.reading.value

    def look(self) -> Reading[T]:
        """The reading that is right now; changes nothing. Without news it is the one that is there."""
        before = self.reading
        stamps = self._stamps()
        return before if stamps == before.stamps and before.problem is None else self._read(before.value)

    def _read(self, last_good: T | None) -> Reading[T]:
        stamps = self._stamps()  # first: what is written while it is read has another stamp
        try:
            return Reading(stamps, self._make(), None)
        except CertificateRefused as refused:
            return Reading(stamps, last_good, str(refused))

    def _stamps(self) -> tuple[Stamp | None, ...]:
        return tuple(map(stamp, self._files))


Files = tuple[Path | None, Path | None, Path | None]
"""Authorities, certificate and key towards replicas."""


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """On which terms TLS is spoken to the replicas of a version. Equal ones are interchangeable."""

    server_name: str | None
    """The name that a replica's certificate must bear; None: the host of its address."""
    files: Files
    _context: Kept[ssl.SSLContext]

    def context(self) -> ssl.SSLContext:
        """For the next connection. Raises CertificateRefused."""
        return self._context.get()


class Certificates:
    """All that is made of such files in this process."""

    def __init__(self) -> None:
        self._served: Kept[Served] | None = None
        self._to_replicas: dict[Files, Kept[ssl.SSLContext]] = {}
        self._users: Counter[Files] = Counter()
        self._told: tuple[str, ...] = ()

    def serve(
        self, certificate: Path, key: Path, client_ca: Path | None = None, *, client_required: bool = True
    ) -> Kept[Served]:
        """What clients are shown from now on. Raises CertificateRefused when the files are wrong to begin with."""
        files = [certificate, key, *([client_ca] if client_ca is not None else [])]
        served = Kept(files, partial(contexts.served, certificate, key, client_ca, client_required))
        _log_served(served.get())
        self._served = served
        return served

    def for_replicas(self, tls: UpstreamTls, directory: Path) -> TlsTerms:
        """One context for all who name the same files, watched until all of them have called `release`.

        The files of `tls` are relative to `directory`.
        """
        ca, certificate, key = (
            directory / file if file else None for file in (tls.ca_file, tls.cert_file, tls.key_file)
        )
        files = ca, certificate, key
        self._users[files] += 1
        kept = self._to_replicas.get(files)
        if kept is None:
            kept = Kept((file for file in files if file is not None), partial(contexts.to_replicas, *files))
            self._to_replicas[files] = kept
            self._tell_problems()
        return TlsTerms(tls.server_name, files, kept)

    def release(self, tls: TlsTerms) -> None:
        """Whoever asked for it opens no connection any more."""
        self._users[tls.files] -= 1
        if not self._users[tls.files]:
            del self._users[tls.files], self._to_replicas[tls.files]
            self._tell_problems()

    @property
    def expiry(self) -> float | None:
        """When the served certificate ends, in Unix seconds; None where none is served."""
        return None if self._served is None else self._served.get().not_after.timestamp()

    def problems(self) -> tuple[str, ...]:
        """A line for each that is wrong, in no order of importance."""
        return tuple(dict.fromkeys(each.reading.problem for each in self._all() if each.reading.problem))

    async def watch(self) -> None:
        """Keeps everything as the files are, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Looks at all files once, in a thread: they may lie on a network."""
        kept = self._all()
        readings = await asyncio.to_thread(lambda: [each.look() for each in kept])
        for each, reading in zip(kept, readings, strict=True):
            before, each.reading = each.reading.value, reading
            if each is self._served and each.get() is not before:
                _log_served(each.get())
        self._tell_problems()

    def _all(self) -> list[Kept[Any]]:
        return [*([self._served] if self._served else []), *self._to_replicas.values()]

    def _tell_problems(self) -> None:
        """Each once, however long it lasts."""
        problems = self.problems()
        for problem in problems:
            if problem not in self._told:
                log.error("a TLS file cannot be used", extra={"fields": {"problem": problem}})
        for problem in self._told:
            if problem not in problems:
                log.info("no longer a problem", extra={"fields": {"problem": problem}})
        self._told = problems

    def __repr__(self) -> str:
        return f"<Certificates to_replicas={len(self._to_replicas)} problems={len(self.problems())}>"


def _log_served(served: Served) -> None:
    fields = {"serial": served.serial, "not_after": served.not_after.isoformat()}
    log.info("certificate in force", extra={"fields": fields})
