"""Bodies go through as streams: whole, at the pace of the slower side, held nowhere, event by event.

Between the two ends there are only the kernel's buffers and the router: what it held would show in its memory.
"""

import asyncio
import json
import re
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from tests.e2e.conftest import KEYS, STREAMING_MODEL, Maitre, endpoint, version
from tests.e2e.memory import Memory
from tests.e2e.streaming_model import Digest, Pace, digest_of_pattern, pattern

MB = 1_000_000
MAY_GROW = 20 * MB
BURST, STALL_MS = 16 * MB, 200  # below 80 MB/s: the other side, which can do several hundred, is blocked all the time
AT_ONCE = 1 << 20  # what a client's reader takes ahead of its user
SIZES = [100 * MB, pytest.param(1 << 30, marks=[pytest.mark.long, pytest.mark.timeout(300)])]
FRAMINGS = ["length", "chunked"]


class Exchange:
    """One request on a connection of its own, its two bodies as streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, method: str, path: str, body: Iterable[bytes] = (), length: int | None = 0) -> None:
        """Sends all of a request, as fast as the router takes it; without a length, chunked."""
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        lines = [f"{method} /api/v1/service/digits/{path} HTTP/1.1", "host: test", framing]
        lines += [f"authorization: Bearer {KEYS['primaryKey']}", "", ""]
        self._writer.write("\r\n".join(lines).encode())
        for block in body:
            self._writer.write(block if length is not None else b"%x\r\n%b\r\n" % (len(block), block))
            await self._writer.drain()
        if length is None:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def head(self) -> dict[str, str]:
        """The fields of the answer, which must be 200."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        assert head[0] == "HTTP/1.1 200 OK", head
        return dict(line.split(": ", 1) for line in head[1:-2])

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body as it comes: each chunk by itself, or what is there of so many bytes."""
        fields = await self.head()
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readline(), 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
            assert await self._reader.readline() == b"\r\n"
        else:
            left = int(fields["content-length"])
            while left:
                data = await self._reader.read(min(left, AT_ONCE))
                assert data, f"the answer ends {left} bytes before its length"
                left -= len(data)
                yield data


@asynccontextmanager
async def exchange(maitre: Maitre) -> AsyncIterator[Exchange]:
    reader, writer = await asyncio.open_connection("127.0.0.1", maitre.port, limit=AT_ONCE)
    try:
        yield Exchange(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def start(serve) -> Maitre:
    blue = version(
        model=STREAMING_MODEL,
        scoringTimeoutMs=280_000,
        maxConcurrentRequestsPerReplica=8,
        autoscale={"enabled": False, "replicas": 1},
    )
    maitre = await serve(endpoint(blue), "--workers", "1", "--max-body-bytes", str(2 << 30))
    await maitre.line("is ready on port")
    return maitre


async def received(parts: AsyncIterator[bytes], pace: Pace) -> dict[str, object]:
    """What came, read at that pace."""
    digest = Digest()
    async for data in parts:
        digest.update(data)
        await pace.passed(len(data))
    return digest.said()


@pytest.mark.parametrize("total", SIZES)
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_fast_client_and_a_model_that_reads_slowly(serve, framing, total):
    maitre = await start(serve)
    memory = Memory(maitre.process.pid)
    async with exchange(maitre) as upload:
        length = total if framing == "length" else None
        await upload.send("POST", f"upload?burst={BURST}&stall_ms={STALL_MS}", pattern(total), length)
        answer = b"".join([data async for data in upload.body()])
    assert json.loads(answer) == digest_of_pattern(total)
    _judge(memory, f"upload by {framing}", total)
    await _nothing_left(maitre)


@pytest.mark.parametrize("total", SIZES)
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_fast_model_and_a_client_that_reads_slowly(serve, framing, total):
    maitre = await start(serve)
    memory = Memory(maitre.process.pid)
    async with exchange(maitre) as download:
        await download.send("GET", f"download?bytes={total}&framing={framing}")
        digest = await received(download.body(), Pace(BURST, STALL_MS / 1000))
    assert digest == digest_of_pattern(total)
    _judge(memory, f"download by {framing}", total)
    await _nothing_left(maitre)


@pytest.mark.parametrize("total", SIZES)
async def test_both_directions_at_once(serve, total):
    """The model sends back while it reads; a client that reads slowly thereby slows down its own sending."""
    maitre = await start(serve)
    memory = Memory(maitre.process.pid)
    async with exchange(maitre) as echo, asyncio.TaskGroup() as tasks:
        tasks.create_task(echo.send("POST", "echo", pattern(total), total))
        digest = await received(echo.body(), Pace(BURST, STALL_MS / 1000))
    assert digest == digest_of_pattern(total)
    _judge(memory, "echo", total)
    await _nothing_left(maitre)


def _judge(memory: Memory, what: str, total: int) -> None:
    grown = memory.grown()
    print(f"{what}, {total / MB:.0f} MB: the router grew by {grown / MB:.1f} MB")
    assert grown < MAY_GROW


async def _nothing_left(maitre: Maitre) -> None:
    await maitre.until_metric(lambda value: value == 0, "maitre_requests_in_flight")
    assert await maitre.metric("maitre_requests_total", outcome="ok", code="200") == 1
    assert await maitre.metric("maitre_requests_total") == 1


async def test_events_arrive_one_by_one_and_at_once(serve):
    """Each event is a chunk of its own, and reaches the client within 5 ms of being sent (median)."""
    maitre = await start(serve)
    lags_ms = []
    async with exchange(maitre) as listening:
        await listening.send("GET", "events?count=200&every_ms=5")
        async for event in listening.body():
            now = time.monotonic_ns()  # one clock for all processes of a machine
            sent = re.fullmatch(rb"data: (\d+)\n\n", event)
            assert sent, f"not one event: {event!r}"
            lags_ms.append((now - int(sent[1])) / 1e6)
    median = statistics.median(lags_ms)
    print(f"{len(lags_ms)} events: median {median:.2f} ms, 95th {statistics.quantiles(lags_ms, n=20)[-1]:.2f} ms")
    assert len(lags_ms) == 200
    assert median < 5
