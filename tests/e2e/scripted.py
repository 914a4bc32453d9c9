"""A scripted replica in the test's own loop, for a version with `target.urls`: ready when asked, else as told."""

from __future__ import annotations

from tests.fakes.replica import Call, Replica, Script
from tests.fakes.wire import reply


class Scripted(Replica):
    """`scored` are the calls that were no probes; only those meet the script."""

    def __init__(self, script: Script) -> None:
        super().__init__(self._answer)
        self.scored: list[Call] = []
        self._script = script

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def scoring(self, times: int = 1) -> Call:
        """Waits for so many calls that are no probes; returns the last of them."""
        await self.changes.until(lambda: len(self.scored) >= times)
        return self.scored[times - 1]

    async def _answer(self, call: Call) -> None:
        if call.target == "/ready":
            await call.send(reply(b"ready"))
            return
        self.scored.append(call)
        self.changes.happened()
        await self._script(call)
