"""Fixed replicas, `target.urls`: nobody starts or ends them; they are probed, and listed while they are well.

A replica that runs a request may be too busy to answer a probe (one thread, computing), so silence counts against it
only while it runs nothing. Made by `main` for each version with `target.urls`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from router.discovery.readiness import Prober, Verdict
from router.discovery.roster import Roster

log = logging.getLogger("maitre.discovery")

INTERVAL_S: Final = 1.0
FIRST_RETRY_S: Final = 0.1
STRIKES: Final = 3


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes so far say of one replica."""

    ready: bool = False
    strikes: int = 0  # in a row, while it is ready


def judge(before: Health, verdict: Verdict, held: int) -> Health:
    """The health after one more probe; `held` is how many requests the replica runs. Pure."""
    if verdict is Verdict.READY:
        return Health(ready=True)
    if not before.ready or (verdict is Verdict.SILENT and held > 0):
        return before
    strikes = before.strikes + 1
    return Health(ready=True, strikes=strikes) if strikes < STRIKES else Health()


@dataclass(frozen=True, slots=True)
class Address:
    """Where one replica is; `replica`, its name, is host:port."""

    replica: str
    host: str
    port: int
    tls: bool
    probed: str  # the url that is probed

    @classmethod
    def of(cls, url: str, readiness_path: str) -> Address:
        """From http(s)://host[:port]; a path in it plays no part."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (443 if tls else 80)
        bracketed = f"[{host}]" if ":" in host else host
        replica = f"{bracketed}:{port}"
        return cls(replica, host, port, tls, f"{parts.scheme}://{replica}{readiness_path}")


class FixedReplicas:
    """The replicas of one version at given urls, for as long as `run` runs; `run` once.

    The names are those of the urls: before others take over the same ones on the same roster, let `run` return.
    """

    def __init__(
        self,
        urls: Iterable[str],
        *,
        label: str,
        readiness_path: str,
        roster: Roster,
        prober: Prober,
        interval_s: float = INTERVAL_S,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        self._label = label
        self._addresses = tuple(dict.fromkeys(Address.of(url, readiness_path) for url in urls))
        self._roster = roster
        self._prober = prober
        self._interval_s = interval_s
        self._first_retry_s = first_retry_s
        self._health = {address: Health() for address in self._addresses}
        self._unasked = set(self._addresses)
        self._watches: list[asyncio.Task[None]] = []
        self._closed = False

    async def run(self) -> None:
        """Probes until `close` or cancellation; then none of the replicas is listed any more."""
        if self._closed:
            return
        self._roster.expect(bool(self._addresses))  # until each was asked once: a request may well wait for that
        async with asyncio.TaskGroup() as tasks:
            self._watches = [
                tasks.create_task(self._watch(address), name=f"probe {self._label} {address.replica}")
                for address in self._addresses
            ]

    def close(self) -> None:
        """Has `run` return."""
        self._closed = True
        for watch in self._watches:
            watch.cancel()

    async def _watch(self, address: Address) -> None:
        retry_s = self._first_retry_s
        try:
            while True:
                verdict = await self._prober.probe(address.probed)
                self._learn(address, verdict)
                if verdict is Verdict.READY:
                    retry_s = self._interval_s  # the quick tries are for the first success alone
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 1.5, self._interval_s)
        finally:
            self._set(address, Health())

    def _learn(self, address: Address, verdict: Verdict) -> None:
        before = self._health[address]
        held = self._roster.held(address.replica) if before.ready else 0
        self._set(address, judge(before, verdict, held))
        if not before.ready and verdict is not Verdict.READY and address in self._unasked:
            log.warning("%s: replica %s is not ready (%s)", self._label, address.replica, verdict.value)
        self._asked(address)

    def _set(self, address: Address, health: Health) -> None:
        """The only writer of `_health`; the roster follows it."""
        before, self._health[address] = self._health[address], health
        if health.ready and not before.ready:
            self._roster.add(address.replica, address.host, address.port, tls=address.tls)
            log.info("%s: replica %s is ready", self._label, address.replica)
        elif before.ready and not health.ready:
            self._roster.retire(address.replica)
            log.warning("%s: replica %s is off the list", self._label, address.replica)

    def _asked(self, address: Address) -> None:
        if address in self._unasked:
            self._unasked.remove(address)
            if not self._unasked:
                self._roster.expect(False)

    def __repr__(self) -> str:
        ready = sum(health.ready for health in self._health.values())
        return f"<FixedReplicas {self._label} ready={ready}/{len(self._health)}>"
