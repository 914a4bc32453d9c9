"""Probes fixed replicas, each address once, however many versions name it, and tells those who asked.

A replica that runs a request may be too busy to answer a probe (one thread, computing), so silence counts against it
only while it runs nothing. Ready addresses share one pace and the others another, so that ten thousand of them cost no
more than PACE_S allows; a replica that fails in between is met by the data plane first, which ejects it.

One per maitre, made by `router.main`, asked by `fixed`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from router.discovery.race import called_off
from router.discovery.readiness import Verdict
from router.discovery.roster import ReplicaTls

log = logging.getLogger("maitre.discovery")

INTERVAL_S: Final = 1.0
FIRST_RETRY_S: Final = 0.1
PACE_S: Final = 0.05
"""Between two probes of all addresses in the same state: a probe costs 1.5 ms of CPU: 3 % of a core at most."""
AT_ONCE: Final = 32
"""Probes under way together: the first round of many addresses goes as fast as they answer."""
STRIKES: Final = 3


class Probes(Protocol):
    """What it needs of `readiness.Prober`."""

    async def probe(self, url: str, tls: ReplicaTls | None) -> Verdict: ...


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
    tls: ReplicaTls | None  # None: in the clear
    probed: str  # the url that is probed

    @classmethod
    def of(cls, url: str, readiness_path: str, tls: ReplicaTls | None = None) -> Address:
        """From http(s)://host[:port]; a path in it plays no part. `tls` must be given for https."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        if secure and tls is None:
            raise ValueError(f"{url} is to be reached over TLS, and nothing says how")
        host = parts.hostname or ""
        port = parts.port or (443 if secure else 80)
        bracketed = f"[{host}]" if ":" in host else host
        replica = f"{bracketed}:{port}"
        return cls(replica, host, port, tls if secure else None, f"{parts.scheme}://{replica}{readiness_path}")


class Subscriber(Protocol):
    """Who wants to know about an address. Called on the event loop; nothing here waits."""

    def held(self, address: Address) -> int:
        """Requests that run there now, as far as this subscriber knows."""

    def ready(self, address: Address) -> None: ...
    def lost(self, address: Address) -> None: ...
    def asked(self, address: Address, verdict: Verdict) -> None:
        """The first answer of a probe since subscribing; not called for an address that is known to be ready."""


class _Watch:
    """One address: its health, who asked for it, and the task that probes it."""

    def __init__(self) -> None:
        self.health = Health()
        self.subscribers: dict[Subscriber, None] = {}
        self.unanswered: list[Subscriber] = []
        self.task: asyncio.Task[None] | None = None


class Watchlist:
    def __init__(
        self,
        prober: Probes,
        *,
        interval_s: float = INTERVAL_S,
        first_retry_s: float = FIRST_RETRY_S,
        pace_s: float = PACE_S,
    ) -> None:
        self._prober = prober
        self._interval_s = interval_s
        self._first_retry_s = first_retry_s
        self._pace_s = pace_s
        self._watches: dict[Address, _Watch] = {}
        self._ready = 0
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._ending: set[asyncio.Task[None]] = set()

    def subscribe(self, address: Address, subscriber: Subscriber) -> None:
        """Tells `subscriber` of the address until `unsubscribe`; at once, if it is known to be ready."""
        watch = self._watches.get(address)
        if watch is None:
            watch = self._watches[address] = _Watch()
            watch.task = asyncio.get_running_loop().create_task(
                self._keep(address, watch), name=f"probe {address.probed}"
            )
        watch.subscribers[subscriber] = None
        if watch.health.ready:
            subscriber.ready(address)
        else:
            watch.unanswered.append(subscriber)

    def unsubscribe(self, address: Address, subscriber: Subscriber) -> None:
        watch = self._watches[address]
        del watch.subscribers[subscriber]
        if subscriber in watch.unanswered:
            watch.unanswered.remove(subscriber)
        if not watch.subscribers:
            del self._watches[address]
            self._ready -= watch.health.ready
            if watch.task is not None:
                watch.task.cancel()
                self._ending.add(watch.task)
                watch.task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Nobody is told anything any more."""
        watches, self._watches = list(self._watches.values()), {}
        for task in [*self._ending, *(watch.task for watch in watches if watch.task is not None)]:
            await called_off(task)

    async def _keep(self, address: Address, watch: _Watch) -> None:
        retry_s = self._first_retry_s
        while True:
            async with self._at_once:
                verdict = await self._prober.probe(address.probed, address.tls)
            self._learn(address, watch, verdict)
            if watch.health.ready:
                retry_s = self._interval_s  # the quick tries are for the first success alone
            alike = self._ready if watch.health.ready else len(self._watches) - self._ready
            await asyncio.sleep(max(retry_s, alike * self._pace_s))
            retry_s = min(retry_s * 1.5, self._interval_s)

    def _learn(self, address: Address, watch: _Watch, verdict: Verdict) -> None:
        before = watch.health
        asked = before.ready and verdict is Verdict.SILENT  # else it does not matter, and thousands may have subscribed
        held = sum(subscriber.held(address) for subscriber in watch.subscribers) if asked else 0
        watch.health = judge(before, verdict, held)
        self._ready += watch.health.ready - before.ready
        if watch.health.ready != before.ready:
            for subscriber in list(watch.subscribers):
                (subscriber.ready if watch.health.ready else subscriber.lost)(address)
        unanswered, watch.unanswered = watch.unanswered, []
        for subscriber in unanswered:
            subscriber.asked(address, verdict)

    def __repr__(self) -> str:
        return f"<Watchlist ready={self._ready}/{len(self._watches)}>"
