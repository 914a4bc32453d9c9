"""The pods of the choice before, on the roster until those of the new one can take their place. Owned by `PodReplicas`.

They are only kept, never taken: one that ends, or is not ready any more, is let go, and comes back no more.
"""

from __future__ import annotations

from collections.abc import Callable

from router.discovery.pod import Pod, State
from router.discovery.pods import Subscription


class Outgoing:
    """Implements `pods.Subscriber`. `let_go(uid)` is told of each that is kept no longer, of itself."""

    def __init__(self, let_go: Callable[[str], None]) -> None:
        self._let_go = let_go
        self._subscriptions: list[Subscription] = []
        self.kept: set[str] = set()

    def keep(self, uids: set[str], subscription: Subscription) -> None:
        """These, and no others. `subscription` tells of those that were not kept already."""
        self.kept = uids
        self._subscriptions.append(subscription)

    def shrink(self, size: int) -> set[str]:
        """Keeps so many at most; returns those that are kept no longer."""
        surplus = set(sorted(self.kept)[max(0, size) :])
        self.kept -= surplus
        if not self.kept:
            while self._subscriptions:
                self._subscriptions.pop().close()
        return surplus

    def put(self, pod: Pod) -> None:
        if pod.state is not State.READY:
            self.gone(pod)

    def gone(self, pod: Pod) -> None:
        if pod.uid in self.kept:
            self.kept.remove(pod.uid)
            self._let_go(pod.uid)
