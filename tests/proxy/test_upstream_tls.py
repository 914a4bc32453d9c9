"""TLS to replicas: verified always, in the clear never, and what fails is told like any replica that is not there."""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from router.errors import CertificateRefused
from router.proxy import upstream as module
from router.store.contexts import served, to_replicas
from tests.fakes.authority import LOOPBACK, Authority, Issued
from tests.fakes.changes import BOUND_S, Changes
from tests.fakes.replica import Call, Replica, answering, echo
from tests.fakes.wire import reply, request
from tests.proxy.house import House

OURS, STRANGERS = Authority(), Authority("strangers")
MIB = 1 << 20


@dataclass
class Tls:
    """How the router is told to speak to a replica; `made` None: its files are wrong."""

    made: ssl.SSLContext | None
    server_name: str | None = None
    asked: int = field(default=0, init=False)

    def context(self) -> ssl.SSLContext:
        self.asked += 1
        if self.made is None:
            raise CertificateRefused("ca.pem: cannot be read: No such file or directory")
        return self.made


@pytest.fixture
def trusting(tmp_path: Path):
    """The router's side: trusts our authority, shows a certificate of `own`."""

    def make(server_name: str | None = None, own: Authority | None = None) -> Tls:
        (tmp_path / "ca.pem").write_bytes(OURS.pem)
        files = own.issue("router").write(tmp_path / "own.pem", tmp_path / "own.key") if own else (None, None)
        return Tls(to_replicas(tmp_path / "ca.pem", *files), server_name)

    return make


@pytest.fixture
def shown(tmp_path: Path):
    """The replica's side: shows a certificate, and asks for one of ours where `mutual`."""

    def make(issued: Issued | None = None, mutual: bool = False) -> ssl.SSLContext:
        files = (issued or OURS.issue()).write(tmp_path / "replica.pem", tmp_path / "replica.key")
        (tmp_path / "clients.pem").write_bytes(OURS.pem)
        return served(*files, tmp_path / "clients.pem" if mutual else None, True).data

    return make


def serve(house: House, replica: Replica, tls: Tls, *more: tuple[Replica, Tls]) -> None:
    version = house.version("blue")
    for each, how in ((replica, tls), *more):
        house.add(version, each, how)
    house.publish(house.endpoint(version))


@pytest.mark.parametrize("mutual", [False, True])
async def test_a_verified_connection_is_kept_and_carries_everything(house: House, trusting, shown, mutual):
    replica = await house.replica(echo, tls=shown(mutual=mutual))
    tls = trusting(own=OURS if mutual else None)
    serve(house, replica, tls)
    client = await house.client()
    body = bytes(range(256)) * (4 * MIB // 256)
    for sent in (b"one", body, b"two"):
        assert (await client.ask(request(body=sent))).body == sent
    assert (replica.connections, tls.asked) == (1, 1)
    assert await house.counted(3) == [("blue", "ok", 200)] * 3


async def test_the_name_in_the_certificate_may_be_another_than_the_address(house: House, trusting, shown):
    replica = await house.replica(tls=shown(OURS.issue("model.internal")))
    serve(house, replica, trusting("model.internal"))
    assert (await (await house.client()).ask(request("GET"))).status == 200
    assert await house.counted() == [("blue", "ok", 200)]


@pytest.mark.parametrize(
    ("issued", "server_name", "reason"),
    [
        (STRANGERS.issue(), None, "unable to get local issuer certificate"),
        (OURS.issue("model.internal"), None, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (OURS.issue(LOOPBACK), "model.internal", "certificate is not valid for 'model.internal'"),
        (OURS.issue(ends=timedelta(seconds=-1)), None, "certificate has expired"),
    ],
    ids=["stranger", "another name", "another name than told", "expired"],
)
async def test_a_replica_that_cannot_prove_itself_gets_no_request(
    house: House, trusting, shown, issued, server_name, reason
):
    replica = await house.replica(tls=shown(issued))
    serve(house, replica, trusting(server_name))
    answer = await (await house.client()).ask(request(body=b"secret"))
    assert answer.status == 502
    assert "could not be reached: its certificate is not accepted: " in answer.body.decode()
    assert reason in answer.body.decode()
    assert replica.calls == []
    assert await house.counted() == [("blue", "upstream_error", 502)]


async def test_one_that_cannot_prove_itself_is_ejected_for_one_that_can(house: House, trusting, shown):
    wrong = await house.replica(tls=shown(STRANGERS.issue()))
    right = await house.replica(tls=shown())
    serve(house, wrong, trusting(), (right, trusting()))
    client = await house.client()
    for _ in range(4):
        assert (await client.ask(request("GET"))).status == 200
    assert (len(wrong.calls), len(right.calls)) == (0, 4)
    assert await house.counted(4) == [("blue", "ok", 200)] * 4


@pytest.mark.parametrize("own", [None, STRANGERS])
async def test_a_replica_that_does_not_know_the_router_is_an_upstream_error(house: House, trusting, shown, own):
    """In TLS 1.3 it says so after the handshake, when the request was sent already."""
    replica = await house.replica(tls=shown(mutual=True))
    serve(house, replica, trusting(own=own))
    answer = await (await house.client()).ask(request("GET"))
    assert answer.status == 502
    assert replica.calls == []
    assert await house.counted() == [("blue", "upstream_error", 502)]


async def test_files_that_are_wrong_mean_no_connection_at_all(house: House, shown):
    tls = Tls(None)
    replica = await house.replica()
    serve(house, replica, tls)
    client = await house.client()
    answer = await client.ask(request("GET"))
    assert (answer.status, replica.connections) == (502, 0)
    assert "ca.pem: cannot be read" in answer.body.decode()
    assert await house.counted() == [("blue", "upstream_error", 502)]


async def test_changed_files_are_taken_for_new_connections(house: House, trusting, shown):
    replica = await house.replica(tls=shown())
    tls = trusting()
    serve(house, replica, tls)
    client = await house.client()
    assert (await client.ask(request("GET"))).status == 200
    tls.made = to_replicas(None, None, None)  # trusts whom the system trusts: not our replica
    assert (await client.ask(request("GET"))).status == 200, "the connection stands"
    for connection in house.upstreams[0].idle:
        connection.close()
    house.upstreams[0].idle.clear()
    assert (await client.ask(request("GET"))).status == 502
    assert await house.counted(3) == [("blue", "ok", 200)] * 2 + [("blue", "upstream_error", 502)]


async def test_a_replica_without_tls_gets_no_request(house: House, trusting):
    replica = await house.replica()
    serve(house, replica, trusting())
    answer = await (await house.client()).ask(request("GET"))
    assert answer.status == 502
    assert replica.calls == []
    assert await house.counted() == [("blue", "upstream_error", 502)]


async def test_a_handshake_that_does_not_end_is_given_up(house: House, trusting, monkeypatch):
    monkeypatch.setattr(module, "TLS_CONNECT_TIMEOUT_S", 0.1)
    gone = Changes()
    ended: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append((await reader.read(-1))[:1])
        writer.close()
        gone.happened()

    sock = socket.create_server((LOOPBACK, 0))
    async with await asyncio.start_server(silent, sock=sock):
        version = house.version("blue")
        fake = Replica(answering())
        fake.port = sock.getsockname()[1]
        house.add(version, fake, trusting())
        house.publish(house.endpoint(version))
        assert (await (await house.client()).ask(request("GET"))).status == 502
        await gone.until(lambda: bool(ended))
    assert ended == [b"\x16"], "it was left, and had got nothing but a handshake"
    assert await house.counted() == [("blue", "upstream_error", 502)]


@pytest.mark.parametrize("goodbye", [True, False])
async def test_an_answer_until_close_is_whole_only_with_a_goodbye(house: House, trusting, shown, goodbye):
    """Without one, anybody between could have cut it (RFC 9112 section 9.8)."""

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if goodbye:
            call.close()
        else:
            with socket.socket(fileno=os.dup(call._writer.get_extra_info("socket").fileno())) as sock:
                sock.shutdown(socket.SHUT_WR)  # the end of TCP alone
            await call.gone()

    replica = await house.replica(script, tls=shown())
    serve(house, replica, trusting())
    client = await house.client()
    if goodbye:
        assert (await client.ask(request("GET"))).body == b"hello"
    else:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.ask(request("GET"))
    outcome = ("blue", "ok", 200) if goodbye else ("blue", "upstream_error", 200)
    assert await house.counted() == [outcome]


async def test_a_slow_client_makes_the_replica_wait(house: House, trusting, shown):
    size = 32 * MIB

    async def script(call: Call) -> None:
        await call.body()
        await call.send(reply(bytes(size)))

    replica = await house.replica(script, tls=shown(), socket_buffer=1 << 16)
    serve(house, replica, trusting())
    client = await house.client(socket_buffer=1 << 16)
    client.stop_reading()
    await client.send(request("GET"))
    async with asyncio.timeout(BOUND_S):
        while not house.connection_of(client).write_blocked:
            await asyncio.sleep(0.001)
    assert house.connection_of(client).transport.get_write_buffer_size() < 2 * MIB
    client.resume_reading()
    assert len((await client.answer()).body) == size
    assert await house.counted() == [("blue", "ok", 200)]
