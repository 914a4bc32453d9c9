"""The shell of the election: carries out its steps against the Lease, and tells who asks whether this pod leads.

What only a leader may do asks `leading` right before it is done. It compares the clock each time, so a process that
was stopped and goes on does not lead, before it has run a line of anything else. `changed` is called on the event loop
at each gain and each loss: a loss by deadline when the deadline passes (whatever call is under way), and after a stop
before this process writes anything. Two terms are never told as one: a new one is told after the loss of the last.

A call that takes longer than CALL_S is given up, and counts as without an answer. The API server being away is logged
when it begins and when it ends. Knows nothing of what leading is for. Made and run by the composition root:

    run        until cancelled, or released; when it ends, this process leads no more, and never will again
    release    on a clean stop, after all that only a leader may do has ended: the next one takes over at once
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from router.coord.elapsed import elapsed_s
from router.coord.election import Done, Election, Read, Wait, Write
from router.coord.lease import LeaseChanged, LeasePort, LeaseUnreachable

CALL_S: Final = 1.0
"""How long one call may take. An API server answers in milliseconds; after one that hangs, others fit into the term."""

RELEASE_CALLS: Final = 4
"""Read and write, twice: a last renewal may have been made after all. Else the others wait the duration."""

log = logging.getLogger("maitre.leader")


class Leader:
    """One candidate of this process. `changed(leading)` must not raise; `draw` gives numbers in [0, 1).

    Implements `Office` for the coordinator: the Lease says where the leader coordinates, and who may be using slots.
    """

    def __init__(
        self,
        lease: LeasePort,
        identity: str,
        changed: Callable[[bool], None],
        *,
        address: str = "",
        now: Callable[[], float] = elapsed_s,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._lease = lease
        self._changed = changed
        self._now = now
        self._sleep = sleep
        self._draw = draw
        self._election = Election(identity, address)
        self._turn = asyncio.Lock()
        """Held while a step is carried out."""
        self._told = False
        self._gained = asyncio.Event()
        self._holder = ""
        self._failed: Read | Write | None = None
        self._answered = False
        """Whether another step was answered since `_failed` was not, or not as it should."""
        self.problem = ""
        """What keeps this candidate from the Lease; empty: nothing."""

    def __repr__(self) -> str:
        return f"<Leader leading={self.leading} {self._election!r}>"

    @property
    def leading(self) -> bool:
        """Whether this process leads, now. Right before what only a leader may do, and without an await between."""
        return self._election.leads(self._now())

    @property
    def address(self) -> str:
        """Where the one who leads coordinates, as far as is known; empty: not known."""
        return self._election.leader_address

    @property
    def recorded(self) -> Collection[str]:
        """The routers that the Lease lists, as far as is known."""
        return self._election.routers

    def announce(self, routers: Collection[str]) -> None:
        """Have the Lease list these from the next renewal on; forgotten when this process leads no more."""
        self._election.announced = tuple(sorted(routers))

    @property
    def transitions(self) -> int:
        """How many times the Lease went to another holder, as far as is known here."""
        return self._election.transitions

    async def run(self) -> None:
        """Take part until cancelled or released."""
        try:
            async with asyncio.TaskGroup() as tasks:
                deadline = tasks.create_task(self._mind_deadline(), name="leader's deadline")
                await self._campaign()
                deadline.cancel()
        finally:
            self._resign()

    async def release(self) -> None:
        """Lead no more, and free the Lease if it is ours. Waits for a call under way; one without an answer ends it."""
        self._resign()
        async with self._turn:
            if self.problem and not self._answered:  # the last call had no answer either
                return
            for _ in range(RELEASE_CALLS):
                step = self._election.step(self._now(), self._draw())
                if isinstance(step, Wait | Done) or not await self._carry_out(step):
                    return

    async def _campaign(self) -> None:
        while True:
            async with self._turn:
                self._tell()
                step = self._election.step(self._now(), self._draw())
                if isinstance(step, Read | Write):
                    await self._carry_out(step)
            if isinstance(step, Wait):
                await self._sleep(step.until - self._now())
            elif isinstance(step, Done):
                return

    async def _mind_deadline(self) -> None:
        """See that the end of a term is told when it comes, also while a call hangs."""
        while True:
            await self._gained.wait()
            while self.leading:
                await self._sleep(self._election.term_ends - self._now())
            self._tell()

    async def _carry_out(self, step: Read | Write) -> bool:
        """Whether there was an answer within CALL_S."""
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(self._call(step))
            limit = tasks.create_task(self._limit(call))
            await asyncio.wait({call})
            limit.cancel()
        problem = f"no answer within {CALL_S:g} s" if call.cancelled() else call.result()
        self._report(step, problem)
        self._tell()
        return not problem

    async def _call(self, step: Read | Write) -> str:
        """One call, its answer told to the election; what went wrong, or nothing."""
        try:
            if isinstance(step, Read):
                sighting = await self._lease.read()
                record, version = sighting or (None, None)
                self._election.found(record, version, self._now())
            else:
                accepted = await self._lease.write(step.record, step.under)
                self._tell()  # a term that ended meanwhile, before another one begins
                self._election.accepted(accepted)
        except LeaseChanged:
            self._election.conflicted()
        except LeaseUnreachable as error:
            return str(error)
        return ""

    async def _limit(self, call: asyncio.Task[str]) -> None:
        await self._sleep(CALL_S)
        call.cancel()

    def _resign(self) -> None:
        self._election.resign()
        self._tell()

    def _tell(self) -> None:
        """Say so if this process leads, or leads no more, since it was last said."""
        leading = self.leading
        if leading == self._told:
            return
        self._told = leading
        fields = {"identity": self._election.identity, "transitions": self.transitions}
        if leading:
            self._gained.set()
            log.info("this router leads", extra={"fields": fields})
        else:
            self._gained.clear()
            log.warning("this router leads no more", extra={"fields": fields})
        self._changed(leading)

    def _report(self, step: Read | Write, problem: str) -> None:
        """Log what is new: another one that leads, the Lease out of reach, or back.

        A read that works says nothing of a write that did not, since reads may be allowed and writes not. Two in a
        row do: there is nothing to write then.
        """
        if problem:
            if problem != self.problem:
                log.warning("the Lease is out of reach", extra={"fields": {"reason": problem}})
            self.problem, self._failed, self._answered = problem, step, False
        elif self.problem and (self._answered or type(step) is type(self._failed)):
            self.problem = ""
            log.info("the Lease is in reach again")
        else:
            self._answered = True
        holder = self._election.holder
        if holder not in (self._holder, "", self._election.identity):
            log.info("another router leads", extra={"fields": {"identity": holder}})
        self._holder = holder
