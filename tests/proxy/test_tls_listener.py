"""The data port over TLS: who gets through a handshake, what the others cost, and that nothing else changes."""

import asyncio
import errno
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from router.core.limits import ClientLimits
from router.proxy import departures
from router.proxy import tls_listener as module
from router.proxy.listener import bind
from router.proxy.tls_listener import TlsListener
from router.store.contexts import served
from tests.fakes.authority import LOOPBACK, Authority, serial_of
from tests.fakes.changes import BOUND_S, settled
from tests.fakes.client import Client
from tests.fakes.replica import Call, answering, closing_after, echo, hang, reset
from tests.fakes.wire import SCORE, reply, request
from tests.proxy.house import House

AUTHORITY, STRANGERS = Authority(), Authority("strangers")
SHOWN, NEXT = AUTHORITY.issue(), AUTHORITY.issue()
MIB = 1 << 20
PLAIN = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Port:
    """A listener over TLS in front of the house's data plane; `context` may be changed at any time."""

    def __init__(self, house: House, context: ssl.SSLContext, handshakes: int) -> None:
        self.house = house
        self.context = context
        self.listener = TlsListener(house.plane, bind(LOOPBACK, 0), lambda: self.context, handshakes)
        self.number = self.listener.port
        self._clients: list[Client] = []

    async def client(self, tls: ssl.SSLContext | None = None, socket_buffer: int | None = None) -> Client:
        """Over TLS, trusting the right authority unless told otherwise."""
        sock = socket.socket()
        if socket_buffer is not None:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, socket_buffer)
        sock.setblocking(False)
        trusted = tls or AUTHORITY.trusting()
        try:
            async with asyncio.timeout(BOUND_S):
                await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, self.number))
                streams = await asyncio.open_connection(sock=sock, ssl=trusted, server_hostname=LOOPBACK, limit=1 << 17)
        except OSError:
            sock.close()
            raise
        self._clients.append(Client(*streams))
        return self._clients[-1]

    async def standing(self) -> Client:
        """One whose handshake is over on both sides, because a request went over it."""
        client = await self.client()
        assert (await client.ask(request("GET", "/healthz"))).status == 200
        return client

    async def silent(self) -> socket.socket:
        """A client that connects and says nothing; returns when it was accepted."""
        before = repr(self.listener)
        sock = socket.create_connection((LOOPBACK, self.number))
        sock.setblocking(False)
        async with asyncio.timeout(BOUND_S):
            while repr(self.listener) == before:
                await asyncio.sleep(0)
        return sock

    async def until(self, said: str) -> None:
        async with asyncio.timeout(BOUND_S):
            while repr(self.listener) != f"<TlsListener {said}>":
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        for client in self._clients:
            with suppress(ssl.SSLError):  # what the router has said meanwhile was for the test to see
                await client.close()
        await self.listener.stop()


def context(pair=SHOWN, directory: Path | None = None, client_ca: bytes | None = None, required: bool = True):
    files = pair.write(directory / "cert.pem", directory / "key.pem")
    ca = None
    if client_ca is not None:
        ca = directory / "ca.pem"
        ca.write_bytes(client_ca)
    return served(*files, ca, required).data


@pytest.fixture
async def open_port(house: House, tmp_path: Path) -> AsyncIterator[Callable[..., Port]]:
    ports: list[Port] = []

    async def open_one(handshakes: int = 64, **how) -> Port:
        ports.append(Port(house, context(directory=tmp_path, **how), handshakes))
        await ports[-1].listener.start()
        return ports[-1]

    yield open_one
    for port in ports:
        await port.close()


@pytest.fixture
async def port(open_port) -> Port:
    return await open_port()


def client_tls(**settings: object) -> ssl.SSLContext:
    tls = AUTHORITY.trusting()
    for name, value in settings.items():
        setattr(tls, name, value)
    return tls


def ssl_object(client: Client) -> ssl.SSLObject:
    return client._writer.get_extra_info("ssl_object")


# -- protocols ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_served_and_the_model_is_told(house: House, port: Port, version):
    replica = await house.replica(echo)
    house.serve(replica)
    client = await port.client(client_tls(minimum_version=version, maximum_version=version))
    assert ssl_object(client).version() == version.name.replace("_", ".")
    for body in (b"one", b"two"):
        assert (await client.ask(request(body=body))).body == body
    head = replica.calls[0].head
    assert (head["x-forwarded-proto"], head["x-forwarded-for"]) == (b"https", b"127.0.0.1")
    assert replica.connections == 1
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


def client_hello(version: bytes, versions: bytes = b"") -> bytes:
    """With one cipher suite of that time, and `versions` as the supported ones where the client knows the extension."""
    extension = b"\x00\x2b" + struct.pack("!HB", len(versions) + 1, len(versions)) + versions if versions else b""
    suites = b"\xc0\x14\xc0\x0a\x00\x2f\x00\x35"  # with CBC and SHA-1, which TLS 1.0 to 1.2 have in common
    body = version + bytes(32) + b"\x00" + struct.pack("!H", len(suites)) + suites + b"\x01\x00"
    body += struct.pack("!H", len(extension)) + extension
    handshake = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake


@pytest.mark.parametrize(
    "hello",
    [
        client_hello(b"\x03\x00"),
        client_hello(b"\x03\x01"),
        client_hello(b"\x03\x02"),
        client_hello(b"\x03\x03", b"\x03\x02\x03\x01"),
    ],
    ids=["SSL 3", "TLS 1.0", "TLS 1.1", "TLS 1.1 by extension"],
)
async def test_nothing_older_gets_an_answer(port: Port, caplog, hello: bytes):
    caplog.set_level(logging.DEBUG, "maitre.tls")
    client = Client(*await asyncio.open_connection(LOOPBACK, port.number))
    await client.send(hello)
    answer = await client.rest()
    assert b"\x16" not in answer[:1], "a handshake went on"
    await client.close()
    (failure,) = [record.fields["error"] for record in caplog.records]
    assert "UNSUPPORTED_PROTOCOL" in failure or "VERSION_TOO_LOW" in failure


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)],
)
async def test_alpn_is_http_1_1_or_nothing(house: House, port: Port, offered, chosen):
    """Like Envoy, maitre goes on without a protocol's name where the client knows none of ours."""
    house.serve(await house.replica())
    tls = AUTHORITY.trusting()
    if offered:
        tls.set_alpn_protocols(offered)
    client = await port.client(tls)
    assert ssl_object(client).selected_alpn_protocol() == chosen
    if offered == ["h2"]:
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await client.answer()).status == 400
    else:
        assert (await client.ask(request("GET"))).status == 200


async def test_sessions_are_resumed(house: House, port: Port):
    """As the standard library's blocking client does it: asyncio's cannot hand over a session."""
    tls = AUTHORITY.trusting()

    def visit(session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        sock = socket.create_connection((LOOPBACK, port.number), BOUND_S)
        with tls.wrap_socket(sock, server_hostname=LOOPBACK, session=session) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            return connection.session_reused, connection.session

    reused, session = await asyncio.to_thread(visit, None)
    assert not reused
    assert (await asyncio.to_thread(visit, session))[0]


# -- certificates ------------------------------------------------------------------------------------------------------


async def test_each_handshake_takes_the_context_in_force_and_who_stands_goes_on(house: House, port: Port, tmp_path):
    house.serve(await house.replica())
    before = await port.client()
    assert (await before.ask(request("GET"))).status == 200
    port.context = context(NEXT, tmp_path)
    after = await port.client()
    assert (await before.ask(request("GET"))).status == 200
    assert (await after.ask(request("GET"))).status == 200
    assert (serial_of(ssl_object(before)), serial_of(ssl_object(after))) == (SHOWN.serial, NEXT.serial)


def with_certificate(of: Authority, directory: Path) -> ssl.SSLContext:
    tls = AUTHORITY.trusting()
    tls.load_cert_chain(*of.issue("somebody").write(directory / "own.pem", directory / "own.key"))
    return tls


@pytest.mark.parametrize(
    ("required", "shown", "served"),
    [
        (True, AUTHORITY, True),
        (True, None, False),
        (True, STRANGERS, False),
        (False, AUTHORITY, True),
        (False, None, True),
        (False, STRANGERS, False),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_client_certificates(house: House, open_port, tmp_path, version, required, shown, served):
    replica = await house.replica()
    house.serve(replica)
    port = await open_port(client_ca=AUTHORITY.pem, required=required)
    tls = with_certificate(shown, tmp_path) if shown is not None else AUTHORITY.trusting()
    tls.maximum_version = version
    if served:
        assert (await (await port.client(tls)).ask(request("GET"))).status == 200
    else:
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await (await port.client(tls)).ask(request("GET"))
        await port.until("handshakes=0 failed=1")
    assert len(replica.calls) == served


# -- handshakes that lead nowhere --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [PLAIN, b"\x00", b"\xff" * 1000, b"\x16\x03\x01\xff\xff" + bytes(1000), b""])
async def test_bytes_that_are_no_tls_are_refused_without_a_fault(house: House, port: Port, caplog, sent: bytes):
    caplog.set_level(logging.DEBUG)
    client = Client(*await asyncio.open_connection(LOOPBACK, port.number))
    await client.send(sent)
    client.end()
    answer = await client.rest()
    assert not answer.startswith(b"HTTP/")
    await client.close()
    await port.until("handshakes=0 failed=1")
    assert [record for record in caplog.records if record.exc_info] == []
    assert house.ended == []


async def test_a_client_that_resets_in_its_handshake_is_forgotten(port: Port):
    sock = await port.silent()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    await port.until("handshakes=0 failed=1")


async def test_a_handshake_has_an_end(port: Port, monkeypatch):
    monkeypatch.setattr(module, "HANDSHAKE_TIMEOUT_S", 0.1)
    sock = await port.silent()
    await port.until("handshakes=0 failed=1")
    assert sock.recv(1) == b""
    sock.close()


async def test_of_too_many_handshakes_the_oldest_gives_way(house: House, open_port):
    """Slow handshakes bind four places, whatever their number, and keep nobody out."""
    house.serve(await house.replica())
    port = await open_port(handshakes=4)
    standing = await port.standing()
    slow = [socket.create_connection((LOOPBACK, port.number)) for _ in range(40)]
    await port.until("handshakes=4 failed=0")
    for _ in range(3):
        assert (await (await port.client()).ask(request("GET"))).status == 200
    assert (await standing.ask(request("GET"))).status == 200
    loop = asyncio.get_running_loop()
    for sock in slow:
        sock.setblocking(False)
    for sock in slow[:37]:
        assert await asyncio.wait_for(loop.sock_recv(sock, 1), BOUND_S) == b""
    for sock in slow[37:]:
        with pytest.raises(BlockingIOError):
            sock.recv(1)
    for sock in slow:
        sock.close()
    await port.until("handshakes=0 failed=3")


async def test_stop_cuts_handshakes_and_nobody_who_stands(house: House, port: Port):
    house.serve(await house.replica())
    standing = await port.standing()
    silent = await port.silent()
    await port.listener.stop()
    await port.listener.stop()
    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(silent, 1), BOUND_S) == b""
    silent.close()
    with pytest.raises(ConnectionRefusedError):
        await port.client()
    assert (await standing.ask(request("GET"))).status == 200


class Exhausted:
    """A listening socket of a process that has no file descriptor left, for some time."""

    def __init__(self, real: socket.socket, times: int) -> None:
        self._real = real
        self._left = times
        self.fileno = real.fileno
        self.close = real.close

    def accept(self) -> tuple[socket.socket, object]:
        if self._left:
            self._left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()


async def test_accepting_goes_on_when_there_is_room_again(house: House, port: Port, monkeypatch, caplog):
    monkeypatch.setattr(module, "EXHAUSTED_PAUSE_S", 0.01)
    house.serve(await house.replica())
    port.listener._socket = Exhausted(port.listener._socket, 2)
    assert (await (await port.client()).ask(request("GET"))).status == 200
    assert caplog.text.count("cannot accept connections for now") == 2


# -- the rest of the data plane, over TLS ------------------------------------------------------------------------------


async def test_large_bodies_both_ways_with_a_slow_reader(house: House, port: Port):
    """The one who sends waits for the one who reads; nothing is lost on the way."""
    size = 24 * MIB
    taken = asyncio.Event()

    async def script(call: Call) -> None:
        await taken.wait()
        await call.body()
        await call.send(reply(call.received))

    replica = await house.replica(script, socket_buffer=1 << 16)
    house.serve(replica)
    client = await port.client(socket_buffer=1 << 16)
    body = bytes(range(256)) * (size // 256)
    sending = asyncio.get_running_loop().create_task(client.send(request(body=body)))
    await replica.called()
    taken_by_router = await settled(lambda: house.connection_of(client).exchange.bytes_in)
    assert taken_by_router < size // 2, "for a replica that reads nothing, beyond what the kernel keeps"
    assert house.connection_of(client).exchange._connection.transport.get_write_buffer_size() < MIB
    client.stop_reading()
    taken.set()
    await sending
    async with asyncio.timeout(BOUND_S):
        while not house.connection_of(client).write_blocked:
            await asyncio.sleep(0.001)
    assert replica.sent == 0, "the replica should wait for the client"
    assert house.connection_of(client).transport.get_write_buffer_size() < MIB
    client.resume_reading()
    assert (await client.answer()).body == body
    assert await house.counted() == [("blue", "ok", 200)]


async def test_the_answer_to_a_refused_upload_is_read(house: House, port: Port):
    """Half a goodbye does not exist in TLS; what still comes is dropped, and the answer arrives all the same."""
    house.serve(await house.replica())
    client = await port.client()
    client.write(request("POST", "/nowhere", "Content-Length: 5000000") + bytes(4_000_000))
    answer = await client.answer()
    assert (answer.status, answer.closes) == (404, True)


@pytest.mark.parametrize("minor", [0, 1])
async def test_an_answer_that_breaks_off_looks_broken(house: House, port: Port, minor: int):
    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await reset(call)

    house.serve(await house.replica(script))
    client = await port.client()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)):
        await client.ask(request("GET", SCORE, minor=minor))
    assert await house.counted() == [("blue", "upstream_error", 200)]


async def test_an_answer_until_close_ends_with_a_goodbye(house: House, port: Port):
    """So that the client can tell its end from a cut (RFC 9112 section 9.8)."""
    house.serve(await house.replica(closing_after(b"HTTP/1.1 200 OK\r\n\r\nhello")))
    client = await port.client()
    assert (await client.ask(request("GET", minor=0))).body == b"hello"


async def test_drain_closes_idle_clients_and_lets_the_others_finish(house: House, port: Port):
    release = asyncio.Event()

    async def script(call: Call) -> None:
        await release.wait()
        await call.send(reply(b"42"))

    replica = await house.replica(script)
    house.serve(replica)
    idle, busy = await port.client(), await port.client()
    await busy.send(request("GET"))
    await replica.called()
    await port.listener.stop()
    house.plane.drain()
    await idle.closed()
    release.set()
    assert (await busy.answer()).body == b"42"
    await busy.closed()
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_slow_reader_gets_all_of_its_last_answer(house: House, port: Port):
    """Closing waits for what was written to be taken, however long the client takes (up to the idle limit)."""
    body = bytes(range(256)) * (4 * MIB // 256)
    replica = await house.replica(answering(reply(body)))
    house.serve(replica)
    client = await port.client(socket_buffer=1 << 15)
    client.stop_reading()
    await client.send(request("GET", SCORE, "Connection: close"))
    await replica.called()
    transport = house.connection_of(client).transport
    got = b""
    while not transport.is_closing():
        client.resume_reading()
        got += await client.read(1 << 14)
        client.stop_reading()
    await asyncio.sleep(4 * departures.LOOK_S)  # several chances to end it too soon
    assert house.plane.connections, "what waits now is in buffers, the router's own among them"
    client.resume_reading()
    assert (got + await client.rest()).endswith(b"\r\n\r\n" + body)
    assert await house.counted() == [("blue", "ok", 200)]


async def test_drain_waits_for_no_goodbye(house: House, port: Port):
    """Who keeps a connection for later does not read from it, and so never answers close_notify."""
    client = await port.standing()
    client.stop_reading()
    await port.listener.stop()
    house.plane.drain()
    await asyncio.wait_for(house.plane.emptied(), BOUND_S)
    client.resume_reading()
    await client.closed()


async def test_a_websocket_is_a_tunnel(house: House, port: Port):
    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await call.read(1 << 16):
            await call.send(data)
        call.close()

    house.serve(await house.replica(script))
    client = await port.client()
    await client.send(request("GET", SCORE, "Connection: Upgrade", "Upgrade: websocket"))
    assert (await client.head_of_any()).status == 101
    for frame in (b"one", bytes(100_000)):
        await client.send(frame)
        echoed = b""
        while len(echoed) < len(frame):
            echoed += await client.read(len(frame) - len(echoed))
        assert echoed == frame
    await client.close()
    assert await house.counted() == [("blue", "ok", 101)]


async def test_a_connection_too_many_is_closed(open_house, tmp_path):
    """All others are at work, so it has to go, though its handshake was fine."""
    house = await open_house(ClientLimits(connections=1))
    port = Port(house, context(directory=tmp_path), 4)
    await port.listener.start()
    replica = await house.replica(hang)
    house.serve(replica)
    busy = await port.client()
    await busy.send(request("GET"))
    await replica.called()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)):
        await (await port.client()).ask(request("GET"))
    assert (house.plane.connections_refused, len(house.plane.connections)) == (1, 1)
    await port.close()
    assert await house.counted() == [("blue", "client_gone", 0)]


async def test_pipelined_requests_in_one_record(house: House, port: Port):
    house.serve(await house.replica(answering(reply(b"1"), reply(b"2"), reply(b"3"))))
    client = await port.client()
    await client.send(request("GET") * 3)
    assert [(await client.answer()).body for _ in range(3)] == [b"1", b"2", b"3"]
