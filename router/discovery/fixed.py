"""Fixed replicas, `target.urls`: nobody starts or ends them; they are on the roster while their probes go well.

`open` and `close` take effect at once: where one list takes over from another on the same roster, an address that both
have is off the roster for no moment in which a request could be picked. Made by `router.serving.replicas` for each
version with `target.urls`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from router.discovery.readiness import Verdict
from router.discovery.roster import Roster
from router.discovery.watchlist import Address, Watchlist

log = logging.getLogger("maitre.discovery")


class FixedReplicas:
    """The replicas of one version at given urls."""

    def __init__(
        self, urls: Iterable[str], *, label: str, readiness_path: str, roster: Roster, watchlist: Watchlist
    ) -> None:
        self._label = label
        self._addresses = tuple(dict.fromkeys(Address.of(url, readiness_path) for url in urls))
        self._roster = roster
        self._watchlist = watchlist
        self._listed: set[Address] = set()
        self._unasked: set[Address] = set()

    def open(self) -> None:
        self._unasked = set(self._addresses)
        for address in self._addresses:
            self._watchlist.subscribe(address, self)
        if self._unasked:
            self._roster.expect(True)  # until each was asked once: a request may well wait for that

    def close(self) -> None:
        """None of the replicas is on the roster any more."""
        for address in self._addresses:
            self._watchlist.unsubscribe(address, self)
            if address in self._listed:
                self._listed.remove(address)
                self._roster.retire(address.replica)
        if self._unasked:
            self._unasked = set()
            self._roster.expect(False)

    def held(self, address: Address) -> int:
        return self._roster.held(address.replica)

    def ready(self, address: Address) -> None:
        self._listed.add(address)
        self._roster.add(address.replica, address.host, address.port, tls=address.tls)
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
        if not self._unasked:
            self._roster.expect(False)

    def __repr__(self) -> str:
        return f"<FixedReplicas {self._label} ready={len(self._listed)}/{len(self._addresses)}>"
