"""Writes the status of ScoringEndpoint resources, while this router leads, and tells of each condition that turns.

A change of condition, size or split is written when it is seen: LOOK_S later at most; of more than five hundred
endpoints, a thousand are looked at in a second. How busy an endpoint is just now is written every NUMBERS_S while it
changes. So idle endpoints cost no request, and the look at them, however many they are, a hundredth of a core, and
never more than a millisecond at a time.

What stands in the resource is read from the watch, so a new leader writes nothing that stands there already; and
nothing is written of an endpoint before its workloads are known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Protocol

from lightkube import ApiError

from router.kube.client import CALL_FAILED, explain
from router.kube.writes import Writes
from router.model.spec import EndpointKey
from router.serving.conditions import turns
from router.serving.status import NOTHING_SAID, EndpointView, settled, status
from router.serving.telling import Tell

log = logging.getLogger("maitre.serving")

LOOK_S: Final = 0.5
STRETCH: Final = 100
"""Endpoints that are looked at in a row, while requests wait."""
PACE_S: Final = 0.1
"""From one stretch to the next, at least."""
NUMBERS_S: Final = 15.0
AT_ONCE: Final = 8
"""Writes under way together."""
PAUSE_S: Final = 5.0
"""After the API server did not answer."""

Patch = Callable[[EndpointKey, Mapping[str, Any]], Awaitable[object]]
"""Writes the status of one resource; raises what `router.kube.client.CALL_FAILED` names."""


class Board(Protocol):
    """What is known of the resources, told by whoever serves them."""

    def reported(self) -> Iterable[EndpointKey]:
        """Every resource, also refused ones."""

    def uid(self, key: EndpointKey) -> str | None:
        """None: it is gone."""

    def mark(self, key: EndpointKey) -> Hashable:
        """Something cheap that changes when the view changes."""

    def view(self, key: EndpointKey, now: float) -> EndpointView: ...

    def standing(self, key: EndpointKey) -> Mapping[str, Any]:
        """The status that stands in the resource; empty when there is none."""


@dataclass(slots=True)
class _Entry:
    uid: str
    written: Mapping[str, Any]
    mark: Hashable = None
    numbers_due: float = 0.0
    moving: bool = True
    """Its numbers will change by time alone, or were not written yet."""


class StatusReporter:
    def __init__(
        self,
        board: Board,
        patch: Patch,
        *,
        writes: Writes,
        tell: Tell,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`now` is monotonic seconds, `wall` the time for the eyes of users."""
        self._board = board
        self._patch = patch
        self._writes = writes
        self._tell = tell
        self._now = now
        self._wall = wall
        self._sleep = sleep
        self._entries: dict[EndpointKey, _Entry] = {}

    async def run(self) -> None:
        """Until cancelled; what stood in the resources before is looked at anew."""
        self._entries.clear()
        while True:
            keys = list(self._board.reported())
            for key in self._entries.keys() - keys:
                del self._entries[key]
            stretches = [keys[start : start + STRETCH] for start in range(0, len(keys), STRETCH)] or [[]]
            for stretch in stretches:
                answered = await self._write(self._changed(stretch))
                await self._sleep(max(PACE_S, LOOK_S / len(stretches)) if answered else PAUSE_S)

    def _changed(self, keys: Iterable[EndpointKey]) -> list[tuple[EndpointKey, _Entry, dict[str, Any]]]:
        """What is to be written of these now."""
        now, due = self._now(), []
        for key in keys:
            entry = self._entry(key)
            if entry is None:
                continue
            mark = self._board.mark(key)
            if mark == entry.mark and not (entry.moving and now >= entry.numbers_due):
                continue
            entry.mark = mark
            view = self._board.view(key, now)
            if view.pending:
                continue
            said = status(view, entry.written.get("conditions", ()), self._wall())
            entry.moving = said["rps"] != "0.0" or said != entry.written
            if _differ(said, entry.written) or (now >= entry.numbers_due and said != entry.written):
                due.append((key, entry, said))
        return due

    def _entry(self, key: EndpointKey) -> _Entry | None:
        """None: the resource is gone since the look at all of them began."""
        uid = self._board.uid(key)
        if uid is None:
            return None
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            entry = self._entries[key] = _Entry(uid, {**NOTHING_SAID, **self._board.standing(key)})
        return entry

    async def _write(self, due: list[tuple[EndpointKey, _Entry, dict[str, Any]]]) -> bool:
        """Whether the API server answers."""
        waiting = iter(due)
        answers: list[bool] = []

        async def work() -> None:
            for key, entry, said in waiting:
                answers.append(await self._write_one(key, entry, said))
                if not answers[-1]:
                    return

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(AT_ONCE, len(due))):
                tasks.create_task(work())
        for _, entry, _ in waiting:  # not come to: the next look begins with them
            entry.mark = None
        return all(answers)

    async def _write_one(self, key: EndpointKey, entry: _Entry, said: dict[str, Any]) -> bool:
        subject = f"the status of scoringendpoints in namespace {key[0]}"
        try:
            await self._patch(key, said)
        except CALL_FAILED as error:
            code = error.status.code if isinstance(error, ApiError) else None
            if code == HTTPStatus.NOT_FOUND:
                entry.mark = None
                return True  # deleted just now
            if code == HTTPStatus.UNPROCESSABLE_ENTITY:  # this one, by an older definition; the others need not wait
                fields = {"endpoint": f"{key[0]}/{key[1]}", "error": explain(error)}
                log.warning("a status was not written", extra={"fields": fields})
                entry.numbers_due, entry.moving = self._now() + NUMBERS_S, True
                return True
            self._writes.failed(subject, error)
            entry.mark = None
            return False
        self._writes.made(subject)
        for turn in turns(entry.written.get("conditions", ()), said["conditions"]):
            self._tell(key, turn.reason, turn.message, warning=turn.warning)
        entry.written, entry.numbers_due = said, self._now() + NUMBERS_S
        entry.moving = said["rps"] != "0.0" or said["busy"] > 0
        return True


def _differ(said: dict[str, Any], written: Mapping[str, Any]) -> bool:
    if not said.keys() <= written.keys():
        return True
    return settled(said) != settled(written)
