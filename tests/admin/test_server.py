"""The admin server's life: start on bound sockets, stop gracefully and in bounded time, tell of its failures."""

import asyncio
import logging
import signal
import socket

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from router.admin.server import AdminServer
from router.store.contexts import served
from tests.fakes.authority import Authority, serial_of


def bound() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


async def hello(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def url(server: AdminServer, index: int = 0) -> str:
    host, port = server.addresses[index]
    return f"http://{host}:{port}/"


async def get(address: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(address)


async def test_it_answers_as_soon_as_start_returns_on_every_socket():
    server = AdminServer(hello, [bound(), bound()])
    await server.start()
    assert [(await get(url(server, index))).text for index in (0, 1)] == ["hello", "hello"]
    await server.stop()


async def test_over_tls_each_handshake_takes_the_certificate_in_force(tmp_path):
    authority = Authority()
    issued = [authority.issue(), authority.issue(kind=rsa.RSAPrivateKey)]
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    contexts = [served(*each.write(*files), None, True).admin for each in issued]
    server = AdminServer(hello, [bound()], tls=lambda: contexts[0])
    await server.start()
    standing = httpx.AsyncClient(verify=authority.trusting(), trust_env=False)
    address = url(server).replace("http:", "https:")
    for each in issued:
        assert (await standing.get(address)).text == "hello"
        _, writer = await asyncio.open_connection(*server.addresses[0], ssl=authority.trusting())
        assert serial_of(writer.get_extra_info("ssl_object")) == each.serial
        writer.close()
        del contexts[:-1]
    await standing.aclose()
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(url(server))
    await server.stop()


async def test_nothing_accepts_after_stop():
    server = AdminServer(hello, [bound()])
    address = url(server)
    await server.start()
    await server.stop()
    await server.stop()
    with pytest.raises(httpx.ConnectError):
        await get(address)


async def test_stop_before_start_closes_the_sockets():
    sock = bound()
    await AdminServer(hello, [sock]).stop()
    assert sock.fileno() == -1


async def test_signals_and_log_handlers_are_left_alone():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    handlers = {name: logging.getLogger(name).handlers[:] for name in ("uvicorn", "uvicorn.error")}
    server = AdminServer(hello, [bound()])
    await server.start()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert {name: logging.getLogger(name).handlers for name in handlers} == handlers
    await server.stop()


async def test_a_request_under_way_ends_well():
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send) -> None:
        arrived.set()
        await go_on.wait()
        await hello(scope, receive, send)

    server = AdminServer(slow, [bound()])
    await server.start()
    async with asyncio.TaskGroup() as group:
        request = group.create_task(get(url(server)))
        await arrived.wait()
        stopping = group.create_task(server.stop())
        await asyncio.sleep(0)
        go_on.set()
    assert request.result().text == "hello"
    assert stopping.done()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"GET / HT"])
async def test_what_does_not_end_is_cut_after_the_grace(sent):
    arrived = asyncio.Event()

    async def stuck(_scope, _receive, _send) -> None:
        arrived.set()
        await asyncio.Event().wait()

    server = AdminServer(stuck, [bound()], grace_s=1)
    await server.start()
    reader, writer = await asyncio.open_connection(*server.addresses[0])
    writer.write(sent)
    if sent.endswith(b"\r\n\r\n"):
        await arrived.wait()
    async with asyncio.timeout(5):
        await server.stop()
        ended = await asyncio.gather(reader.read(), return_exceptions=True)
    assert ended[0] == b"" or isinstance(ended[0], ConnectionResetError) or ended[0].startswith(b"HTTP/1.1 500")
    writer.close()


async def test_a_client_that_does_not_read_is_cut_off():
    size = 32 * 1024 * 1024  # more than the system's socket buffers hold
    sending = asyncio.Event()

    async def much(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        sending.set()
        await send({"type": "http.response.body", "body": bytes(size)})

    server = AdminServer(much, [bound()], grace_s=1)
    await server.start()
    reader, writer = await asyncio.open_connection(*server.addresses[0])
    writer.transport.pause_reading()
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await sending.wait()
    async with asyncio.timeout(10):
        await server.stop()
        writer.transport.resume_reading()
        (received,) = await asyncio.gather(reader.read(), return_exceptions=True)
    assert isinstance(received, ConnectionResetError) or len(received) < size
    writer.close()


async def test_what_keeps_it_from_starting_is_raised():
    sock = bound()
    sock.close()
    with pytest.raises((OSError, ValueError)):
        await AdminServer(hello, [sock]).start()


async def test_a_failure_later_comes_out_of_wait_and_of_stop(monkeypatch):
    server = AdminServer(hello, [bound()])
    await server.start()
    failing = asyncio.Event()

    async def broken_tick(_counter: int) -> bool:
        failing.set()
        raise LookupError("broken")

    monkeypatch.setattr(server._server, "on_tick", broken_tick)
    with pytest.raises(LookupError, match="broken"):
        await server.wait()
    with pytest.raises(LookupError, match="broken"):
        await server.stop()
    assert failing.is_set()


async def test_cancelling_a_waiter_does_not_end_the_server():
    server = AdminServer(hello, [bound()])
    await server.start()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.wait(), 0.01)
    assert (await get(url(server))).text == "hello"
    await server.stop()


async def test_one_life_only():
    server = AdminServer(hello, [bound()])
    await server.start()
    with pytest.raises(RuntimeError, match="started before"):
        await server.start()
    await server.stop()


def test_a_server_needs_a_socket():
    with pytest.raises(ValueError, match="socket"):
        AdminServer(hello, [])


async def test_ipv6_addresses_are_host_and_port():
    try:
        sock = socket.socket(socket.AF_INET6)
        sock.bind(("::1", 0))
    except OSError:
        pytest.skip("needs IPv6 on loopback")
    server = AdminServer(hello, [sock])
    assert server.addresses == [("::1", sock.getsockname()[1])]
    await server.stop()
