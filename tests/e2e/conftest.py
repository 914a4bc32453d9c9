"""Whole processes: `maitre serve` as a user starts it, with test models behind it."""

import asyncio
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.client import Connection
from tests.e2e.recording_replicas import RecordingReplica, RecordingReplicas
from tests.e2e.replicas import FixedReplica

MODEL = Path(__file__).with_name("model.py")
STREAMING_MODEL = Path(__file__).with_name("streaming_model.py")
WEBSOCKET_MODEL = Path(__file__).with_name("websocket_model.py")
READY = re.compile(r"maitre ready: data (https?)://127\.0\.0\.\d:(\d+) admin (https?)://127\.0\.0\.1:(\d+)")
KEYS = {"primaryKey": "primary-key-0123456789", "secondaryKey": "secondary-key-0123456789"}
BOUND_S = 20.0


@dataclass
class Maitre:
    """A running router, and what it says."""

    process: asyncio.subprocess.Process
    config: Path
    port: int
    admin_port: int
    schemes: tuple[str, str]
    """Of the data port and of the admin port."""
    log: list[str]
    _more: asyncio.Event
    _readers: list[asyncio.Task]
    connections: list[Connection] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    """What clients trust, when the router is to be reached over TLS."""

    def connection(self, key: str | None = KEYS["primaryKey"]) -> Connection:
        connection = Connection(self.port, key, self.tls)
        self.connections.append(connection)
        return connection

    async def admin(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(verify=self.tls or True) as client:
            return await client.get(f"{self.schemes[1]}://127.0.0.1:{self.admin_port}{path}")

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with at least these labels."""
        page = (await self.admin("/metrics")).text
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        chosen = [sample for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]
        return sum(sample.value for sample in chosen)

    async def until_metric(self, true: Callable[[float], bool], name: str, **labels: str) -> float:
        async with asyncio.timeout(BOUND_S):
            while not true(value := await self.metric(name, **labels)):
                await asyncio.sleep(0.02)
        return value

    async def line(self, pattern: str, start: int = 0) -> str:
        """The first line of the log, from line `start` on, that matches."""
        async with asyncio.timeout(BOUND_S):
            while True:
                found = next((line for line in self.log[start:] if re.search(pattern, line)), None)
                if found is not None:
                    return found
                self._more.clear()
                await self._more.wait()

    def lines(self, pattern: str) -> list[str]:
        return [line for line in self.log if re.search(pattern, line)]

    def edit(self, before: str, after: str) -> None:
        """Changes the file as an editor does: whole, by renaming."""
        text = self.config.read_text()
        assert before in text
        write_whole(self.config, text.replace(before, after))

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Signals, waits for the end, returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(BOUND_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()
        try:
            await self.stop()
        except TimeoutError:
            self.process.kill()  # nothing of a test that failed stays behind
            await self.process.wait()
            raise


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Maitre]]]:
    """Starts maitre on a configuration; ends it after the test."""
    async with AsyncExitStack() as ends:

        async def start(text: str, *options: str, **environment: str) -> Maitre:
            config = tmp_path / "endpoints.yaml"
            write_whole(config, text)
            write_whole(tmp_path / "keys.yaml", "\n".join(f"{name}: {value}" for name, value in KEYS.items()))
            command = [sys.executable, "-m", "router", "serve", "--config", str(config), "--port", "0"]
            command += ["--admin-port", "0", "--state-dir", str(tmp_path / "state")]
            command += (
                options
                if "--workers" in options
                else ("--workers", os.environ.get("MAITRE_TEST_WORKERS", "1"), *options)
            )
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **environment},
            )
            maitre = await until_ready(process, config)
            ends.push_async_callback(maitre.close)
            return maitre

        yield start


@pytest.fixture
async def fixed_replicas(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[list[FixedReplica]]]]:
    """Starts processes of `faulty_model.py`, for versions with `target.urls`; ends them after the test."""
    async with AsyncExitStack() as ends:

        async def start(number: int, *options: str) -> list[FixedReplica]:
            replicas = [FixedReplica(tmp_path, each, options) for each in range(number)]
            for replica in replicas:
                ends.push_async_callback(replica.close)
                await replica.start()
            return replicas

        yield start


@pytest.fixture
async def recording_replicas() -> AsyncIterator[Callable[..., Awaitable[RecordingReplicas]]]:
    """Starts a process of `recording_model.py` with so many replicas; ends it after the test."""
    async with AsyncExitStack() as ends:

        async def start(number: int, *, slots: int, ms: float) -> RecordingReplicas:
            replicas = RecordingReplicas(number, slots, ms)
            await replicas.start()
            ends.push_async_callback(replicas.close)
            return replicas

        yield start


def write_whole(path: Path, text: str) -> None:
    """A router that reads it meanwhile, as another one of the same test does, sees the old text or the new one."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


async def until_ready(process: asyncio.subprocess.Process, config: Path, bound_s: float = BOUND_S) -> Maitre:
    """Follows its output; returns when it has said that it is ready."""
    log: list[str] = []
    more = asyncio.Event()

    async def follow() -> None:
        async for line in process.stderr:
            log.append(line.decode().rstrip("\n"))
            more.set()

    async def rest() -> None:
        await process.stdout.read()

    reader = asyncio.get_running_loop().create_task(follow())
    async with asyncio.timeout(bound_s):
        line = (await process.stdout.readline()).decode()
    match = READY.fullmatch(line.strip())
    assert match, f"no ready line: {line!r}\n" + "\n".join(log)
    readers = [reader, asyncio.get_running_loop().create_task(rest())]
    schemes = match[1], match[3]
    return Maitre(process, config, int(match[2]), int(match[4]), schemes, log, more, readers)


def version(name: str = "blue", *model_options: str, model: Path = MODEL, **settings: object) -> str:
    """One entry of `versions`, as YAML, with a test model as command. Settings are camelCase, as in the file."""
    # the plain model starts in a fraction of the time without the site packages, which the others need
    flags = ["-I", "-S"] if model == MODEL else ["-I"]
    command = [sys.executable, *flags, str(model), "--port", "{port}", *model_options]
    return _version(name, f"{{command: {command}}}", settings)


def fixed_version(replicas: Iterable[FixedReplica | RecordingReplica], name: str = "blue", **settings: object) -> str:
    """The same with the urls of replicas that are there."""
    return _version(name, f"{{urls: {[replica.url for replica in replicas]}}}", {"readinessPath": "/ready", **settings})


def _version(name: str, target: str, settings: dict[str, object]) -> str:
    lines = [f"- name: {name}", f"  target: {target}", *(f"  {key}: {_yaml(value)}" for key, value in settings.items())]
    return "\n".join("    " + line for line in lines)


def endpoint(*versions: str, name: str = "digits", auth: str = "keysFile: keys.yaml", **settings: object) -> str:
    return "\n".join(
        [
            "apiVersion: maitre.dev/v1alpha1",
            "kind: ScoringEndpoint",
            f"metadata: {{name: {name}}}",
            "spec:",
            f"  auth: {{{auth}}}",
            *(f"  {key}: {_yaml(value)}" for key, value in settings.items()),
            "  versions:",
            *versions,
            "",
        ]
    )


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    return str(value)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def until_dead(pids: set[int], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.02)
