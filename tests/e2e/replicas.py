"""Processes of `faulty_model.py` as fixed urls: started, killed, started again on the same port; and their records."""

import asyncio
import itertools
import signal
import socket
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.changes import BOUND_S

MODEL = Path(__file__).with_name("faulty_model.py")


def kept_port() -> socket.socket:
    """A port of 127.0.0.1 that nobody else gets while its server is away: bound, but not listened to.

    Its server binds it, too, with SO_REUSEADDR, as servers do.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return kept


@dataclass
class Sighting:
    """One request as a model saw it."""

    id: str
    at: int
    """Monotonic, in nanoseconds."""
    nth: int
    running: int
    fate: str
    killed: bool
    """Whether the process that saw it was killed."""
    took: int | None = None
    """Bytes of its body that had come when its fate was done; None: the process ended before that."""

    @property
    def cut_short(self) -> bool:
        return self.killed and self.took is None

    @property
    def silent_end(self) -> bool:
        """Whether it may have ended on a kept-alive connection without a byte of an answer."""
        return self.nth > 1 and (self.fate in ("close", "reset", "lost") or self.cut_short)


class FixedReplica:
    def __init__(self, directory: Path, number: int, options: tuple[str, ...]) -> None:
        self._directory = directory
        self._number = number
        self._options = options
        self._kept = kept_port()
        self._process: asyncio.subprocess.Process | None = None
        self._records: list[Path] = []
        self._killed: set[Path] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._kept.getsockname()[1]}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Another process, with a schedule of its own."""
        life = len(self._records)
        record = self._directory / f"record-{self._number}-{life}"
        self._records.append(record)
        command = [sys.executable, "-I", "-S", str(MODEL), "--port", self.url.rpartition(":")[2]]
        command += ["--record", str(record), "--seed", str(100 * self._number + life), *self._options]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(BOUND_S):
            assert await self._process.stdout.readline() == b"listening\n"

    async def killed(self) -> None:
        """Ends it without warning, unless it has done so itself."""
        self._killed.add(self._records[-1])
        if self.alive:
            self._process.kill()
        await self._process.wait()

    def go_away(self) -> None:
        """Nothing listens for a while."""
        if self.alive:
            self._process.send_signal(signal.SIGUSR1)

    async def close(self) -> None:
        if self.alive:
            await self.killed()
        self._kept.close()

    def sightings(self) -> list[Sighting]:
        return list(itertools.chain.from_iterable(_read(record, record in self._killed) for record in self._records))


def _read(record: Path, killed: bool) -> list[Sighting]:
    open_ones: dict[str, Sighting] = {}
    sightings: list[Sighting] = []
    for line in record.read_text().splitlines():
        kind, id, *rest = line.split()
        if kind == "done":
            open_ones.pop(id).took = int(rest[0])
            continue
        at, nth, running, fate = rest
        open_ones[id] = Sighting(id, int(at), int(nth), int(running), fate, killed)
        sightings.append(open_ones[id])
    return sightings


def by_id(replicas: list[FixedReplica]) -> dict[str, list[Sighting]]:
    """All that these replicas saw, in order."""
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for replica in replicas:
        for sighting in replica.sightings():
            seen[sighting.id].append(sighting)
    for sightings in seen.values():
        sightings.sort(key=lambda sighting: sighting.at)
    return seen
