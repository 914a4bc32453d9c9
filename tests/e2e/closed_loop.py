"""Load that waits for its answers: many clients, each on a kept-alive connection, that ask again as soon as they can.

A client connects again when its connection is closed. It never sends a request twice. What is kept of an answer is
three numbers, so that a million of them fit into memory.
"""

import asyncio
import itertools
import re
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.e2e.conftest import KEYS
from tests.e2e.open_loop import Line, Received
from tests.fakes.changes import BOUND_S

QUEUED = re.compile(r"queue;dur=([\d.]+)")
AGAIN_S = 0.01
"""A client that cannot connect waits so long."""


def scoring(endpoint: str = "digits", key: str = KEYS["primaryKey"], query: str = "") -> bytes:
    """The request of a client."""
    return (
        f"POST /api/v1/service/{endpoint}/score{query} HTTP/1.1\r\nhost: test\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: 2\r\n\r\n{{}}"
    ).encode()


@dataclass
class Conversation:
    """What was answered on one connection, from its beginning to its end."""

    port: int
    """The client's."""
    ended: array = field(default_factory=lambda: array("d"))
    """When each answer was there, monotonic seconds."""
    took: array = field(default_factory=lambda: array("d"))
    """Seconds from its request to each answer."""
    queued: array = field(default_factory=lambda: array("d"))
    """Seconds that each request waited for a slot, where the answers tell (`serverTiming`)."""

    def answered(self, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.ended)


@dataclass(frozen=True)
class Failure:
    """A request that was not answered 200, or a connection that could not be made."""

    at: float
    """Monotonic, in seconds."""
    port: int
    """The client's; 0 where no connection was made."""
    why: str
    """The outcome; `nothing` where not a byte came, `cut` where not all of them did, `refused` without a connection."""


class Crowd:
    """The clients together."""

    def __init__(self, port: int, host: str, patience_s: float) -> None:
        self._port = port
        self._host = host
        self._patience_s = patience_s
        self._over = asyncio.Event()
        self.conversations: list[Conversation] = []
        self.outcomes: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.versions: Counter[str] = Counter()

    def rate(self, since: float, until: float, but: Collection[int] = ()) -> float:
        """Good answers per second between two moments, on all connections but those from these ports."""
        counted = (each for each in self.conversations if each.port not in but)
        return sum(each.answered(since, until) for each in counted) / (until - since)

    def stop(self) -> None:
        """No further requests; those that are under way are answered."""
        self._over.set()

    async def client(self, request: bytes) -> None:
        line: Line | None = None
        while not self._over.is_set():
            if line is None or line.lost:
                line, conversation = await self._connect()
                continue
            received = await self._ask(line, conversation, request)
            if not received.whole or received.fields.get("connection") == "close":
                line.close()
                line = None
        if line is not None:
            line.close()

    async def _connect(self) -> tuple[Line | None, Conversation]:
        try:
            line = await Line.open(self._port, self._host)
        except OSError:
            self._failed(0, "refused")
            await asyncio.sleep(AGAIN_S)
            return None, Conversation(0)
        self.conversations.append(Conversation(line.transport.get_extra_info("sockname")[1]))
        return line, self.conversations[-1]

    async def _ask(self, line: Line, conversation: Conversation, request: bytes) -> Received:
        began = time.monotonic()
        line.transport.write(request)
        received = await line.answer(self._patience_s)
        if received.outcome != "ok":
            self._failed(conversation.port, received.outcome)
            return received
        now = time.monotonic()
        conversation.ended.append(now)
        conversation.took.append(now - began)
        if told := QUEUED.search(received.fields.get("server-timing", "")):
            conversation.queued.append(float(told[1]) / 1000)
        self.outcomes["ok"] += 1
        self.versions[received.fields.get("azureml-model-deployment", "")] += 1
        return received

    def _failed(self, port: int, why: str) -> None:
        self.outcomes[why] += 1
        self.failures.append(Failure(time.monotonic(), port, why))

    async def until(self, condition: Callable[[], bool], bound_s: float = BOUND_S) -> None:
        """Looks often: nobody tells a test of every answer."""
        async with asyncio.timeout(bound_s):
            while not condition():
                await asyncio.sleep(0.01)

    async def more(self, answers: int, bound_s: float = BOUND_S) -> None:
        """Until so many more have been answered."""
        goal = self.outcomes["ok"] + answers
        await self.until(lambda: self.outcomes["ok"] >= goal, bound_s)


@asynccontextmanager
async def crowd(
    port: int, clients: int, *requests: bytes, host: str = "127.0.0.1", patience_s: float = BOUND_S
) -> AsyncIterator[Crowd]:
    """So many clients at work while the block runs, all of them answered once before it; all answered at its end.

    Each has a request of its own, the next one of `requests`, which come again and again. An answer that takes longer
    than `patience_s` fails the test.
    """
    those = Crowd(port, host, patience_s)
    asked = itertools.cycle(requests or [scoring()])
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(those.client(next(asked)))
        try:
            await those.until(lambda: sum(bool(each.ended) for each in those.conversations) >= clients)
            yield those
        finally:
            those.stop()


def quantile(values: Iterable[float], part: float) -> float:
    found = sorted(values)
    return found[min(len(found) - 1, int(part * len(found)))]
