"""The load that waits for its answers is honest: what is answered, what fails, and on whose connection."""

import asyncio
import os
from contextlib import asynccontextmanager

from tests.e2e.closed_loop import crowd, quantile
from tests.e2e.workers import owners
from tests.fakes.wire import reply

CLIENTS = 3
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 32\r\n\r\n"
REFUSAL = b'{"error":{"code":"queue_full"} }'


@asynccontextmanager
async def server(*answers: bytes):
    """Gives these answers, in turn over all connections, and good ones from then on. Nothing: it closes."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                await reader.readuntil(b"{}")
            except asyncio.IncompleteReadError:
                break
            answer = left.pop(0) if left else reply(b"42")
            writer.write(answer)
            if not answer or b"close" in answer:
                break
        writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


async def test_good_answers_are_counted_where_they_came():
    timed = b"HTTP/1.1 200 OK\r\nserver-timing: queue;dur=12.500, upstream;dur=1\r\ncontent-length: 0\r\n\r\n"
    async with server(*[timed] * CLIENTS) as port, crowd(port, CLIENTS) as clients:
        await clients.more(20)
        owner = owners(port, {os.getpid()})
    assert owner == {conversation.port: os.getpid() for conversation in clients.conversations}
    assert clients.failures == []
    assert clients.outcomes["ok"] == sum(len(each.ended) for each in clients.conversations) >= 20
    assert [waited for each in clients.conversations for waited in each.queued] == [0.0125] * CLIENTS
    assert all(took > 0 for each in clients.conversations for took in each.took)


async def test_an_announced_close_is_no_failure():
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    async with server(closing) as port, crowd(port, CLIENTS) as clients:
        await clients.more(20)
    assert clients.failures == []
    assert len(clients.conversations) == CLIENTS + 1


async def test_failures_are_told_with_their_connection():
    async with server(b"", REFUSED + REFUSAL) as port, crowd(port, CLIENTS) as clients:
        await clients.more(20)
    assert sorted(failure.why for failure in clients.failures) == ["nothing", "queue_full"]
    assert {failure.port for failure in clients.failures} <= {each.port for each in clients.conversations}
    assert len(clients.conversations) == CLIENTS + 1, "who was refused stays connected"
    assert clients.outcomes["queue_full"] == clients.outcomes["nothing"] == 1


def test_quantiles():
    assert quantile(range(100), 0.99) == 99
    assert quantile([3, 1, 2], 0.5) == 2
