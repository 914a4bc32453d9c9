"""The replicas of one version as local processes: as many as wished, kept going, ended in order.

`resize` takes the wish, from configuration or autoscaler, and the newest one wins; everything else follows from it in
tasks of this object, which `close` waits for. Made by `main` for each version with `target.command`.

A change of the command is a change of object: the owner makes a new `LocalProcesses` on the same roster, with the
`numbers` of the old one so that no name comes twice, resizes it, and closes the old one when the new one is ready.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Iterator

from router.core.backoff import Backoff
from router.discovery.keeper import Keeper, Sink, Surroundings
from router.discovery.lifecycle import Standing, plan
from router.discovery.output import RecentLines
from router.discovery.ports import Ports
from router.discovery.program import Program
from router.discovery.readiness import Prober
from router.discovery.roster import Roster
from router.discovery.warden import Warden

output_log = logging.getLogger("maitre.replica")


def log_lines(program: Program) -> Sink:
    """The default sink: a log record per line, prefixed with endpoint/version/replica."""

    def write(replica: str, line: str) -> None:
        output_log.info("%s/%s | %s", program.label, replica, line)

    return write


class LocalProcesses:
    """Needs a running event loop. `drain_s` is what running requests get when a replica is to end."""

    def __init__(
        self,
        program: Program,
        *,
        roster: Roster,
        warden: Warden,
        ports: Ports,
        prober: Prober,
        drain_s: float,
        sink: Sink | None = None,
        backoff: Backoff | None = None,
        numbers: Iterator[int] | None = None,
        recent: RecentLines | None = None,
        u: Callable[[], float] = random.random,
    ) -> None:
        """`recent`: where all that they print goes, beside the sink; the version's, which outlives this object."""
        self.program = program
        self.numbers = numbers or itertools.count(1)
        self.recent = RecentLines() if recent is None else recent
        self._roster = roster
        self._drain_s = drain_s
        self._sink = sink or log_lines(program)
        self._size = 0
        self._closed = False
        self._coming = False
        self._seats = itertools.count(1)
        self._keepers: dict[int, Keeper] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._around = Surroundings(
            roster=roster,
            warden=warden,
            ports=ports,
            prober=prober,
            backoff=backoff or Backoff(),
            sink=self._printed,
            numbers=self.numbers,
            u=u,
            changed=self._tell,
        )

    @property
    def size(self) -> int:
        """How many replicas are wished; how many are ready, the roster knows."""
        return self._size

    @property
    def present(self) -> int:
        """Replicas that there are, on their way and leaving ones included."""
        return len(self._keepers)

    def resize(self, size: int) -> None:
        """Wishes for `size` replicas. Once closed, it stays empty."""
        if self._closed:
            return
        self._size = size
        standings = [Standing(seat, keeper.phase, keeper.held) for seat, keeper in self._keepers.items()]
        step = plan(standings, size)
        for _ in range(step.start):
            self._seat_one()
        for seat in step.end:
            self._keepers[seat].leave(self._drain_s)
        self._tell()

    async def close(self, drain_s: float | None = None) -> None:
        """Ends all replicas and returns when they are gone; running requests get `drain_s` (default: as ever).

        Says nothing of what is to come: whoever closes it puts another source in its place or drops the version.
        """
        self._closed = True
        self._size = 0
        for keeper in self._keepers.values():
            keeper.leave(self._drain_s if drain_s is None else drain_s)
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _seat_one(self) -> None:
        seat = next(self._seats)
        keeper = self._keepers[seat] = Keeper(self.program, self._around)
        task = asyncio.get_running_loop().create_task(keeper.keep(), name=f"keep {self.program.label} {seat}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._unseat(seat, done))

    def _unseat(self, seat: int, task: asyncio.Task[None]) -> None:
        del self._keepers[seat]
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug of ours takes its own replica down and no other; the next wish replaces it.
            context = {"message": f"{self.program.label}: the keeper of a replica failed", "exception": error}
            task.get_loop().call_exception_handler(context | {"task": task})
        self._tell()

    def _tell(self) -> None:
        """Keeps the roster told whether replicas are on their way."""
        coming = any(keeper.phase.coming for keeper in self._keepers.values())
        if coming != self._coming and not self._closed:
            self._coming = coming
            self._roster.expect(coming)

    def _printed(self, replica: str, line: str) -> None:
        self.recent.append(replica, line)
        self._sink(replica, line)

    def __repr__(self) -> str:
        return f"<LocalProcesses {self.program.label} size={self._size} {list(self._keepers.values())}>"
