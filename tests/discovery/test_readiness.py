"""The probe, against literal bytes."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from router.discovery.readiness import Prober, Verdict
from router.errors import CertificateRefused
from tests.fakes.authority import LOOPBACK, Authority

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    """One whose patience no busy machine exhausts."""
    prober = Prober(timeout_s=30.0)
    yield prober
    await prober.close()


@pytest.fixture
async def served() -> AsyncIterator[Callable[..., str]]:
    """Serves one answer, byte for byte, on a port; None: none at all."""
    servers: list[asyncio.Server] = []

    async def serve(answer: bytes | None, heads: list[bytes] | None = None) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            if answer is not None:
                writer.write(answer)
            await reader.read()  # until the probe hangs up
            writer.close()

        servers.append(server := await asyncio.start_server(connected, "127.0.0.1", 0))
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ready"

    yield serve
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (OK, Verdict.READY),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Verdict.READY),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\nstill coming", Verdict.READY),
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", Verdict.REFUSED),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Verdict.REFUSED),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Verdict.REFUSED),
    ],
)
async def test_verdicts(prober, served, answer, verdict):
    assert await prober.probe(await served(answer)) is verdict


async def test_no_answer_in_time(served):
    hasty = Prober(timeout_s=0.1)
    assert await hasty.probe(await served(None)) is Verdict.SILENT
    await hasty.close()


async def test_nobody_there(prober):
    with socket.socket() as bound:  # so that nobody else can be there either
        bound.bind(("127.0.0.1", 0))
        assert await prober.probe(f"http://127.0.0.1:{bound.getsockname()[1]}/") is Verdict.REFUSED


async def test_the_request_is_direct_and_keeps_no_connection(prober, served, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    other = Prober()
    heads: list[bytes] = []
    assert await other.probe(await served(OK, heads)) is Verdict.READY
    await other.close()
    assert heads[0].startswith(b"GET /ready HTTP/1.1\r\n")


async def test_drips_do_not_stretch_the_timeout():
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        prober = Prober(timeout_s=0.1)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await asyncio.wait_for(prober.probe(url), 2) is Verdict.SILENT
        await prober.close()


async def test_until_ready(prober, monkeypatch):
    verdicts = iter([Verdict.REFUSED, Verdict.SILENT, Verdict.READY])

    async def probe(url: str, tls: object) -> Verdict:
        return next(verdicts)

    monkeypatch.setattr(prober, "probe", probe)
    await prober.until_ready("http://unused/", first_pause_s=0.001)
    assert list(verdicts) == []


class Tls:
    """Trusts our authority; without it, the files are wrong."""

    def __init__(self, authority: Authority | None, server_name: str | None = None) -> None:
        self.server_name = server_name
        self._authority = authority

    def context(self) -> ssl.SSLContext:
        if self._authority is None:
            raise CertificateRefused("ca.pem: cannot be read")
        return self._authority.trusting()


OURS = Authority()


@pytest.mark.parametrize(
    ("issued", "tls", "verdict", "said"),
    [
        (OURS.issue(), Tls(OURS), Verdict.READY, ""),
        (OURS.issue("model"), Tls(OURS, "model"), Verdict.READY, ""),
        (OURS.issue("other"), Tls(OURS, "model"), Verdict.REFUSED, "certificate is not valid for 'model'"),
        (OURS.issue("model"), Tls(OURS), Verdict.REFUSED, "certificate is not valid for '127.0.0.1'"),
        (Authority().issue(), Tls(OURS), Verdict.REFUSED, "unable to get local issuer certificate"),
        (OURS.issue(ends=timedelta(seconds=-1)), Tls(OURS), Verdict.REFUSED, "certificate has expired"),
        (OURS.issue(), Tls(None), Verdict.REFUSED, ""),
    ],
)
async def test_over_tls_it_verifies_and_says_once_what_is_wrong(prober, tmp_path, caplog, issued, tls, verdict, said):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*issued.write(tmp_path / "cert.pem", tmp_path / "key.pem"))
    async with await asyncio.start_server(answer, LOOPBACK, 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(2):
            assert await prober.probe(url, tls) is verdict
    assert caplog.text.count("no TLS to") == bool(said)
    assert said in caplog.text


async def test_a_replica_that_speaks_no_tls(prober, caplog):
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await prober.probe(f"https://127.0.0.1:{port}/", Tls(OURS)) is Verdict.REFUSED
    assert f"no TLS to https://127.0.0.1:{port}/: WRONG_VERSION_NUMBER" in caplog.text


async def test_nobody_there_is_not_a_matter_of_tls(prober, ports, caplog):
    port = ports.take()
    assert await prober.probe(f"https://127.0.0.1:{port}/", Tls(OURS)) is Verdict.REFUSED
    ports.give_back(port)
    assert "TLS" not in caplog.text
