"""TLS on both sides of a whole router: certificates that change under load, and what happens while they are wrong."""

import asyncio
import contextlib
import ssl
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.conftest import BOUND_S, Maitre, endpoint, version
from tests.fakes.authority import Authority, Issued, serial_of

AUTHORITY = Authority()
PATIENT = {"maxQueueWaitMs": 20000, "maxConcurrentRequestsPerReplica": 16}
ONE = endpoint(version("blue", **PATIENT, autoscale={"enabled": False, "replicas": 1}))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "cert.pem", tmp_path / "key.pem"


@pytest.fixture
def serve_tls(serve, files):
    async def start(issued: Issued, text: str = ONE, *options: str, **environment: str) -> Maitre:
        issued.write(*files)
        cert, key = map(str, files)
        maitre = await serve(text, "--tls-cert", cert, "--tls-key", key, *options, **environment)
        maitre.tls = AUTHORITY.trusting()
        return maitre

    return start


def replace(file: Path, content: bytes) -> None:
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)


async def serial_shown(maitre: Maitre, port: int | None = None) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port or maitre.port, ssl=AUTHORITY.trusting())
    serial = serial_of(writer.get_extra_info("ssl_object"))
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return serial


async def until_shown(maitre: Maitre, serial: str, port: int | None = None) -> float:
    """Seconds until that certificate was shown."""
    began = time.monotonic()
    async with asyncio.timeout(BOUND_S):
        while await serial_shown(maitre, port) != serial:
            await asyncio.sleep(0.01)
    return time.monotonic() - began


# -- clients -----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def under_load(maitre: Maitre):
    """Eight clients that stay and eight that connect for each request; every one of their requests must be answered."""
    seen = {"standing": 0, "connecting": 0}

    async def client(kind: str) -> None:
        connection = maitre.connection()
        while not over.is_set():
            answer = await connection.post("digits")
            assert answer.status == 200
            seen[kind] += 1
            if kind == "connecting":
                await connection.close()

    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            for kind in seen:
                tasks.create_task(client(kind))
        yield seen
        over.set()


async def more(seen: dict[str, int], requests: int = 40) -> None:
    """Returns when so many more requests of each kind were answered."""
    goals = {kind: count + requests for kind, count in seen.items()}
    async with asyncio.timeout(BOUND_S):
        while any(seen[kind] < goal for kind, goal in goals.items()):
            await asyncio.sleep(0.01)


async def test_a_certificate_is_replaced_under_load(serve_tls, files):
    """RSA by ECDSA; first the certificate, whose key is not there yet, then the key; and nobody notices."""
    first, second = AUTHORITY.issue(kind=rsa.RSAPrivateKey), AUTHORITY.issue(ends=timedelta(days=2))
    maitre = await serve_tls(first)
    assert maitre.schemes == ("https", "http"), "the admin port is on loopback"
    expiry = "maitre_tls_certificate_expiry_timestamp_seconds"
    assert await maitre.metric(expiry) == first.not_after.timestamp()
    async with under_load(maitre) as seen:
        await more(seen)
        replace(files[0], second.certificate)
        await maitre.line("a TLS file cannot be used")
        await more(seen)
        assert await serial_shown(maitre) == first.serial
        detail = (await maitre.admin("/readyz")).json()
        assert (detail["status"], detail["configuration"]) == ("ready", "stale")
        assert detail["problems"] == [f"{files[1]}: is not the key of the certificate in {files[0]}"]
        replace(files[1], second.key)
        await until_shown(maitre, second.serial)
        await more(seen)
    assert await maitre.metric(expiry) == second.not_after.timestamp()
    assert await maitre.metric("maitre_config_valid") == 1
    assert len(maitre.lines("a TLS file cannot be used")) == 1
    assert maitre.lines("Traceback") == []


async def test_every_replacement_is_shown_soon(serve_tls, files):
    maitre = await serve_tls(AUTHORITY.issue())
    for _ in range(4):
        issued = AUTHORITY.issue()
        issued.write(*files)
        assert await until_shown(maitre, issued.serial) < 5, "0.5 s and little more, where nobody else is busy"


async def test_what_is_no_tls_leaves_no_trace_but_in_debug(serve_tls):
    maitre = await serve_tls(AUTHORITY.issue(), ONE, "--log-level", "debug")
    reader, writer = await asyncio.open_connection("127.0.0.1", maitre.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"HTTP" not in await asyncio.wait_for(reader.read(), BOUND_S)
    writer.close()
    line = await maitre.line("handshake failed")
    assert "level=debug" in line
    assert maitre.lines("Traceback|level=error") == []


async def test_client_certificates_are_wanted_and_tell_friend_from_foe(serve_tls, tmp_path):
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    maitre = await serve_tls(AUTHORITY.issue(), ONE, "--tls-client-ca", str(tmp_path / "ca.pem"))
    for who, served in ((AUTHORITY, True), (Authority("strangers"), False)):
        maitre.tls = AUTHORITY.trusting()
        maitre.tls.load_cert_chain(*who.issue("client").write(tmp_path / "own.pem", tmp_path / "own.key"))
        if served:
            assert (await maitre.connection().post("digits")).status == 200
        else:
            with pytest.raises(Exception, match=r"(?i)incomplete|reset|eof|closed|alert"):
                await maitre.connection().post("digits")


async def test_the_admin_port_follows_too(serve_tls, files):
    first, second = AUTHORITY.issue(), AUTHORITY.issue(kind=rsa.RSAPrivateKey)
    maitre = await serve_tls(first, ONE, MAITRE_ADMIN_TLS="true")
    assert maitre.schemes == ("https", "https")
    assert await serial_shown(maitre, maitre.admin_port) == first.serial
    second.write(*files)
    await until_shown(maitre, second.serial, maitre.admin_port)
    assert (await maitre.admin("/healthz")).status_code == 200


async def test_a_router_that_is_not_alone_on_its_host_has_tls_on_its_admin_port(serve_tls):
    maitre = await serve_tls(AUTHORITY.issue(), ONE, "--admin-host", "0.0.0.0")
    assert maitre.schemes == ("https", "https")


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("none.pem", "key.pem", "none.pem: cannot be read: No such file or directory"),
        ("cert.pem", "other.pem", "other.pem: is not the key of the certificate in "),
        ("key.pem", "key.pem", "key.pem: there is no certificate in PEM format in it"),
    ],
)
async def test_a_wrong_file_at_the_start_is_said_and_nothing_starts(tmp_path, cert, key, said):
    AUTHORITY.issue().write(tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "other.pem").write_bytes(AUTHORITY.issue().key)
    (tmp_path / "endpoints.yaml").write_text(ONE)
    files = ["--tls-cert", str(tmp_path / cert), "--tls-key", str(tmp_path / key)]
    command = [sys.executable, "-m", "router", "serve", "--config", str(tmp_path / "endpoints.yaml"), *files]
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
    async with asyncio.timeout(BOUND_S):
        out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err.decode().startswith("maitre: ")
    assert said in err.decode()
    assert "Traceback" not in err.decode()


# -- replicas ----------------------------------------------------------------------------------------------------------


def write_both(path: Path, issued: Issued) -> Path:
    path.write_bytes(issued.certificate + issued.key)
    return path


def local(tmp_path: Path, tls: str, *model_options: str) -> str:
    """A local process that speaks TLS alone, and how the router is to speak to it."""
    write_both(tmp_path / "model.pem", AUTHORITY.issue())
    options = ["--tls", str(tmp_path / "model.pem"), *model_options]
    text = version("blue", *options, **PATIENT, coldStartTimeoutMs=20000, autoscale={"enabled": False, "replicas": 1})
    return endpoint(text.replace("]}", f"], tls: {tls}}}", 1))


async def test_mutual_tls_to_local_processes(serve, tmp_path):
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    write_both(tmp_path / "router.pem", AUTHORITY.issue("router"))
    text = local(tmp_path, "{caFile: ca.pem, certFile: router.pem}", "--clients", str(tmp_path / "ca.pem"))
    maitre = await serve(text)
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    for _ in range(3):
        assert (await maitre.connection().post("digits")).status == 200


@pytest.mark.parametrize("router", [None, "stranger.pem"])
async def test_a_replica_that_does_not_know_the_router_is_never_ready(serve, tmp_path, router):
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    write_both(tmp_path / "stranger.pem", Authority("strangers").issue("router"))
    tls = "{caFile: ca.pem}" if router is None else f"{{caFile: ca.pem, certFile: {router}}}"
    maitre = await serve(local(tmp_path, tls, "--clients", str(tmp_path / "ca.pem")))
    await maitre.line("it broke off after the handshake; does it want a certificate")
    assert await maitre.metric("maitre_replicas_total") == 0


async def test_a_replica_with_the_certificate_of_another_is_never_ready(serve, tmp_path):
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    maitre = await serve(local(tmp_path, "{caFile: ca.pem, serverName: model.internal}"))
    await maitre.line(r"not valid for 'model\.internal'")
    assert await maitre.metric("maitre_replicas_total") == 0


async def test_a_missing_authority_closes_the_version_until_it_comes(serve, tmp_path):
    maitre = await serve(local(tmp_path, "{caFile: ca.pem}"))
    problem = f"{tmp_path}/ca.pem: cannot be read: No such file or directory"
    await maitre.line("a TLS file cannot be used")
    assert (await maitre.admin("/readyz")).json()["problems"] == [problem]
    assert await maitre.metric("maitre_config_valid") == 0
    assert await maitre.metric("maitre_replicas_total") == 0
    waiting = asyncio.get_running_loop().create_task(maitre.connection().post("digits"))
    replace(tmp_path / "ca.pem", AUTHORITY.pem)
    assert (await waiting).status == 200
    await maitre.until_metric(lambda value: value == 1, "maitre_config_valid")
    assert (await maitre.admin("/readyz")).json()["problems"] == []


async def test_fixed_urls_over_tls_and_an_authority_that_is_replaced(serve, tmp_path):
    """The old authority's replica is taken off the list when it is not trusted any more, and no sooner."""
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    certificate = write_both(tmp_path / "model.pem", AUTHORITY.issue("localhost"))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        target = f'{{urls: ["https://127.0.0.1:{port}"], tls: {{caFile: ca.pem, serverName: localhost}}}}'
        maitre = await serve(endpoint(f"    - name: blue\n      target: {target}"))
        await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
        connection = maitre.connection()
        assert (await connection.send(get())).status == 200
        replace(tmp_path / "ca.pem", Authority("another").pem)
        await maitre.line("its certificate is not accepted")
        await maitre.until_metric(lambda value: value == 0, "maitre_replicas_total")
        assert (await connection.send(get())).status == 503
        replace(tmp_path / "ca.pem", Authority("another").pem + AUTHORITY.pem)
        await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
        assert (await connection.send(get())).status == 200


def get() -> bytes:
    key = "primary-key-0123456789"
    return f"GET /api/v1/service/digits/score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
