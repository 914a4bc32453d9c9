"""Routers restarted one after the other under load: nothing fails for a client that connects again where it can.

Such a client never sends a request twice. It connects elsewhere when it cannot connect, and uses no connection of which
an answer said that it closes: what SIGTERM promises is that this is enough.
"""

import asyncio
import itertools
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import Maitre, endpoint, fixed_version
from tests.e2e.open_loop import Line, Received, open_loop
from tests.e2e.replicas import kept_port
from tests.e2e.scripted import Scripted
from tests.fakes.client import Client
from tests.fakes.replica import Call
from tests.fakes.wire import SCORE, reply, request

RATE = 200.0
CONNECTIONS = 16
MODEL_MS = 50
REQUEST = (
    b"POST /api/v1/service/digits/score HTTP/1.1\r\nhost: test\r\nx-id: %d\r\n"
    b"x-ms-client-request-id: %d\r\ncontent-length: 2\r\n\r\n{}"
)


class Retrying:
    """One connection to whichever of the addresses can be connected to, kept alive or not."""

    def __init__(self, ports: list[int], seen: list[Received], turn: int, keep: bool) -> None:
        self._keep = keep
        self._ports = itertools.cycle(ports[turn % len(ports) :] + ports[: turn % len(ports)])
        self._attempts = 2 * len(ports)
        self._seen = seen
        self._line: Line | None = None

    async def ask(self, number: int, due: float) -> None:
        if self._line is None or self._line.lost:
            self._line = await self._connect()
        self._line.transport.write(REQUEST % (number, number))
        received = await self._line.answer()
        self._seen.append(received)
        if not (self._keep and received.whole) or received.fields.get("connection") == "close":
            self.close()

    async def _connect(self) -> Line:
        for port in itertools.islice(self._ports, self._attempts):
            try:
                return await Line.open(port)
            except ConnectionError:  # refused, or reset by a router that closed its port meanwhile
                continue
        raise AssertionError("nobody listens")

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


@asynccontextmanager
async def under_load(ports: list[int], keep: bool = True) -> AsyncIterator[list[Received]]:
    """Load until the block ends, and for a second before; every request must have been answered 200."""
    seen: list[Received] = []
    over = asyncio.Event()
    clients = [Retrying(ports, seen, turn, keep) for turn in range(CONNECTIONS)]
    numbers = itertools.takewhile(lambda _: not over.is_set(), itertools.count())
    async with asyncio.TaskGroup() as tasks:
        load = tasks.create_task(open_loop(RATE, numbers, [client.ask for client in clients]))
        while len(seen) < RATE and not load.done():
            await asyncio.sleep(0.05)
        yield seen
        over.set()
    for client in clients:
        client.close()
    failed = [received for received in seen if (received.status, received.whole) != (200, True)]
    print(f"{len(seen)} requests, {len(failed)} failed")
    assert failed == []


@dataclass
class Pair:
    """Two routers in front of the same two replicas."""

    ports: list[int]
    routers: list[Maitre]
    start: Callable[[int], Awaitable[Maitre]]

    async def restart_all(self) -> None:
        """One after the other, as a rollout does: the next when the one before is ready again."""
        for place, router in enumerate(self.routers):
            assert await router.stop() == 0
            assert router.lines("requests cut|level=error") == []
            self.routers[place] = await self.start(router.port)


@pytest.fixture
async def pair(serve, fixed_replicas):
    replicas = await fixed_replicas(2, "--sound", "--ms", str(MODEL_MS))
    text = endpoint(fixed_version(replicas, maxConcurrentRequestsPerReplica=64), auth="mode: none")

    async def start(port: int) -> Maitre:
        maitre = await serve(text, "--host", "127.0.0.1", "--port", str(port))
        await maitre.until_metric(lambda value: value == len(replicas), "maitre_replicas_total")
        return maitre

    with kept_port() as one, kept_port() as other:
        ports = [kept.getsockname()[1] for kept in (one, other)]
        yield Pair(ports, [await start(port) for port in ports], start)


@pytest.mark.parametrize("keep", [True, False], ids=["kept alive", "a connection each"])
async def test_a_client_that_knows_both_addresses_loses_nothing(pair: Pair, keep: bool):
    async with under_load(pair.ports, keep) as seen:
        await pair.restart_all()
    assert any(received.fields.get("connection") == "close" for received in seen)


@asynccontextmanager
async def haproxy(directory: Path, ports: list[int]) -> AsyncIterator[int]:
    """HAProxy in front of these ports, as one would run it; the port that it listens on. It retries what did not get
    connected, which is its default, and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        servers = "\n".join(f"  server router{each} 127.0.0.1:{port} check" for each, port in enumerate(ports))
        configuration = directory / "haproxy.cfg"
        configuration.write_text(
            f"""
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  retries 3
  option redispatch 1
listen routers
  bind fd@{listening.fileno()}
  balance roundrobin
  option httpchk GET /healthz
  default-server inter 100ms fall 1 rise 1
{servers}
"""
        )
        process = await asyncio.create_subprocess_exec(
            "haproxy", "-db", "-q", "-f", str(configuration), pass_fds=[listening.fileno()]
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.send_signal(signal.SIGINT)
            await process.wait()


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed (Debian package)")
async def test_nothing_is_lost_behind_haproxy(pair: Pair, tmp_path: Path):
    async with haproxy(tmp_path, pair.ports) as port, under_load([port]):
        await pair.restart_all()


# -- one router, draining ----------------------------------------------------------------------------------------------


class Gated(Scripted):
    """Answers requests when the gate is open; agrees to an upgrade, and echoes what comes then."""

    def __init__(self) -> None:
        super().__init__(self._score)
        self.gate = asyncio.Event()

    async def _score(self, call: Call) -> None:
        if "upgrade" in call.head:
            await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            while data := await call.read(1000):
                await call.send(data)
            call.close()
        else:
            await call.body()
            await self.gate.wait()
            await call.send(reply(b"42"))


@pytest.fixture
async def replica() -> AsyncIterator[Gated]:
    replica = Gated()
    await replica.start()
    yield replica
    await replica.stop()


async def serving(serve, replica: Gated, drain_seconds: float) -> Maitre:
    text = endpoint(fixed_version([replica], maxConcurrentRequestsPerReplica=2), auth="mode: none")
    maitre = await serve(text, "--drain-seconds", str(drain_seconds))
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    return maitre


async def tunnel(maitre: Maitre) -> Client:
    client = await Client.connect(maitre.port)
    await client.send(request("GET", SCORE, "Connection: upgrade", "Upgrade: echo"))
    await client.send(b"early")
    assert b"101 Switching" in (await client.read(1000))
    return client


async def test_health_says_so_and_running_requests_end_in_peace(serve, replica: Gated):
    maitre = await serving(serve, replica, 60)
    running, idle = [await Client.connect(maitre.port) for _ in range(2)]
    await running.send(request(body=b"1"))
    await replica.scoring()
    assert (await idle.ask(request("GET", "/healthz"))).status == 200
    maitre.process.send_signal(signal.SIGTERM)
    await maitre.line("msg=draining")
    health = await idle.ask(request("GET", "/healthz"))
    assert (health.status, health.closes) == (503, True)
    assert [(await maitre.admin(path)).status_code for path in ("/healthz", "/readyz")] == [503, 503]
    replica.gate.set()
    answer = await running.answer()
    assert (answer.body, answer.closes) == (b"42", True)
    for client in (running, idle):
        await client.closed()
        await client.close()
    assert await maitre.stop() == 0


@pytest.mark.parametrize("hurried", [False, True])
async def test_a_tunnel_lasts_until_the_drain_is_over(serve, replica: Gated, hurried: bool):
    """--drain-seconds ends it, or a second signal."""
    maitre = await serving(serve, replica, 1000 if hurried else 1)
    client = await tunnel(maitre)
    maitre.process.send_signal(signal.SIGTERM)
    await maitre.line("msg=draining")
    await client.send(b"still there")
    echoed = b""
    while not echoed.endswith(b"still there"):
        echoed += await client.read(1000)
    if hurried:
        maitre.process.send_signal(signal.SIGTERM)
    with suppress(ConnectionResetError):
        await client.rest()
    await maitre.line("requests cut")
    await client.close()
    assert await maitre.process.wait() == 0
