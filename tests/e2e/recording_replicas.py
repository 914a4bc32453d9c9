"""A process of `recording_model.py`: its replicas as fixed urls, and their records as a judge can read them."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.client import Connection
from tests.e2e.occupancy import Work, parse
from tests.fakes.changes import BOUND_S

MODEL = Path(__file__).with_name("recording_model.py")


@dataclass(frozen=True)
class RecordingReplica:
    """One of its ports."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class RecordingReplicas:
    def __init__(self, number: int, slots: int, ms: float) -> None:
        self.slots = slots
        self.all: list[RecordingReplica] = []
        self._options = ["--replicas", str(number), "--slots", str(slots), "--ms", str(ms)]

    @property
    def slots_in_all(self) -> int:
        return self.slots * len(self.all)

    async def start(self) -> None:
        command = [sys.executable, "-I", "-S", str(MODEL), *self._options]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(BOUND_S):
            said, *ports = (await self._process.stdout.readline()).split()
        assert said == b"listening"
        self.all = [RecordingReplica(int(port)) for port in ports]

    async def works(self) -> list[Work]:
        """What they have worked on so far. They do nothing else while they answer, so let the load end first."""
        connection = Connection(self.all[0].port)
        try:
            async with asyncio.timeout(BOUND_S):
                answer = await connection.send(b"GET /records HTTP/1.1\r\n\r\n")
        finally:
            await connection.close()
        return parse(answer.body.decode())

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
