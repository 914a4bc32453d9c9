"""Whether the API server answers: what each kind that is followed says of it, for `/readyz`, the metrics and the log.

A router that has lost the API server goes on with what it knows; this says so aloud. When it answers somebody again,
those who pause before their next attempt are woken, however long their pauses have grown. Told by `reflector.py` and
by who campaigns for the Lease; read by `router.main`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Final

log = logging.getLogger("maitre.kube")

SOON_S: Final = 1.0
"""No pause is cut shorter than that: what fails although the API server answers does not become a flood."""
LATELY_S: Final = 15.0
"""For so long after its return no pause is longer than SOON_S: a call that hung through the return ends later."""


@dataclass(slots=True)
class _State:
    lost_at: float | None = None
    reason: str = ""


class Contact:
    """By subject, such as `pods` or `pods in namespace web`: whether it is followed. `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._states: dict[str, _State] = {}
        self._returned_at = -inf
        self._return = asyncio.Event()

    def made(self, subject: str) -> None:
        """It was listed, or goes on being watched."""
        state = self._states.setdefault(subject, _State())
        if state.lost_at is not None:
            fields = {"subject": subject, "after_s": round(self._now() - state.lost_at, 1)}
            log.info("the API server answers again", extra={"fields": fields})
            self._returned_at = self._now()
            self._return.set()
            self._return = asyncio.Event()
        state.lost_at, state.reason = None, ""

    def lost(self, subject: str, reason: str) -> None:
        """It could not be listed or watched; logged when the reason is new, not at each attempt."""
        state = self._states.setdefault(subject, _State())
        if state.reason != reason:
            fields = {"subject": subject, "reason": reason}
            log.warning("the API server cannot be asked; what is known stays in force", extra={"fields": fields})
        if state.lost_at is None:
            state.lost_at = self._now()
        state.reason = reason

    def ended(self, subject: str) -> None:
        """Nobody follows it any more."""
        self._states.pop(subject, None)

    async def pause(self, seconds: float) -> None:
        """Before the next attempt: for so long, or until somebody else was answered who had not been."""
        await asyncio.sleep(min(seconds, SOON_S))
        if seconds <= SOON_S or self._now() < self._returned_at + LATELY_S:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - SOON_S):
                await self._return.wait()

    def connected(self) -> Mapping[str, bool]:
        return {subject: state.lost_at is None for subject, state in self._states.items()}

    def problems(self) -> Iterator[str]:
        """A sentence for each subject that is out of reach."""
        for subject, state in self._states.items():
            if state.lost_at is not None:
                silent_s = self._now() - state.lost_at
                yield f"kubernetes: {subject}: unheard of for {silent_s:.0f} s, the known stays: {state.reason}"
