"""Fixed replicas, `target.urls`: nobody starts or ends them; they are on the roster while their probes go well.

`follow` takes effect at once, and leaves addresses alone that the old list and the new one have in common: they are off
the roster for no moment. Made by `router.serving.replicas` for each version with `target.urls`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from router.discovery.readiness import Verdict
from router.discovery.roster import ReplicaTls, Roster
from router.discovery.watchlist import Address, Watchlist

log = logging.getLogger("maitre.discovery")


class FixedReplicas:
    """The replicas of one version at given urls."""

    def __init__(self, *, label: str, roster: Roster, watchlist: Watchlist) -> None:
        self._label = label
        self._roster = roster
        self._watchlist = watchlist
        self._addresses: set[Address] = set()
        self._listed: set[Address] = set()
        self._unasked: set[Address] = set()
        self._expecting = False

    def follow(self, urls: Iterable[str], readiness_path: str, tls: ReplicaTls | None = None) -> None:
        """These are the replicas from now on; none, to end. `tls` is for those at https://."""
        wanted = {Address.of(url, readiness_path, tls) for url in urls}
        for address in self._addresses - wanted:
            self._leave(address)
        for address in wanted - self._addresses:
            self._addresses.add(address)
            self._unasked.add(address)
            self._watchlist.subscribe(address, self)
        self._tell()

    @property
    def present(self) -> int:
        """Replicas that there are, ready or not."""
        return len(self._addresses)

    def _leave(self, address: Address) -> None:
        self._addresses.remove(address)
        self._unasked.discard(address)
        self._watchlist.unsubscribe(address, self)
        if address in self._listed:
            self._listed.remove(address)
            self._roster.retire(address.replica)

    def _tell(self) -> None:
        """Until each was asked once, a request may well wait."""
        if bool(self._unasked) is not self._expecting:
            self._expecting = bool(self._unasked)
            self._roster.expect(self._expecting)

    def held(self, address: Address) -> int:
        return self._roster.held(address.replica)

    def ready(self, address: Address) -> None:
        self._listed.add(address)
        self._roster.add(address.replica, address.host, address.port, address.tls)
        log.info("%s: replica %s is ready", self._label, address.replica)
        self._unasked.discard(address)

    def lost(self, address: Address) -> None:
        self._listed.remove(address)
        self._roster.retire(address.replica)
        log.warning("%s: replica %s is off the list", self._label, address.replica)

    def asked(self, address: Address, verdict: Verdict) -> None:
        if verdict is not Verdict.READY:
            log.warning("%s: replica %s is not ready (%s)", self._label, address.replica, verdict.value)
        self._unasked.discard(address)
        self._tell()

    def __repr__(self) -> str:
        return f"<FixedReplicas {self._label} ready={len(self._listed)}/{len(self._addresses)}>"
