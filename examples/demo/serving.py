"""`maitre serve` on the example endpoint, started as a user would start it, on free ports, with keys of its own.

Its log goes to a file, line by line, and to whoever watches the run. It is read until the very end, also while the
router stops: a router that cannot write its log would hang.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TextIO

from examples.demo.child import child
from examples.demo.failure import DemoFailed

READY: Final = re.compile(r"maitre ready: data (\S+) admin (\S+)")
READY_S: Final = 60.0
DRAIN_S: Final = 5.0
STOP_S: Final = 30.0
"""After SIGTERM: the drain, twice the five seconds that a replica gets, and room for a slow machine."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A router that is ready."""

    data_url: str
    admin_url: str
    key: str = field(repr=False)
    process: asyncio.subprocess.Process


@asynccontextmanager
async def serving(config: Path, log: Path, line: Callable[[str], None]) -> AsyncIterator[Serving]:
    """Serves `config` until left; `line` is called with each line of the log. Raises DemoFailed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="maitre-demo-") as state, log.open("w", encoding="utf-8") as file:
        command = _command(config, Path(state))
        async with _logged(file, line) as read, child(*command, grace_s=STOP_S, environment=_environment()) as process:
            read(process)
            data_url, admin_url = await _ready(process, log)
            yield Serving(data_url, admin_url, _key(Path(state)), process)


def _command(config: Path, state: Path) -> list[str]:
    # python -m router is `maitre`, without a guess at where the environment keeps its commands
    # one process: were it killed, workers of their own would serve on, and the demo wait for the end of what they print
    options = {"--config": config, "--state-dir": state, "--drain-seconds": DRAIN_S, "--workers": 1}
    ports = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0"]
    return [sys.executable, "-m", "router", "serve", *(str(x) for pair in options.items() for x in pair), *ports]


def _environment() -> dict[str, str]:
    """The commands of the endpoint say `python`, as a user's would: let it be the one that has scikit-learn."""
    own = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MAITRE_")}
    return settings | {"PATH": f"{own}{os.pathsep}{path}"}


@asynccontextmanager
async def _logged(
    file: TextIO, line: Callable[[str], None]
) -> AsyncIterator[Callable[[asyncio.subprocess.Process], None]]:
    """Gives a function that has a process's log read; on leaving, the rest of it is read."""
    readers: list[asyncio.Task[None]] = []

    def read(process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        work = _follow(process.stderr, file, line)
        readers.append(asyncio.get_running_loop().create_task(work, name="router log"))

    try:
        yield read
    finally:
        await asyncio.gather(*readers)


async def _follow(stream: asyncio.StreamReader, file: TextIO, line: Callable[[str], None]) -> None:
    async for raw in stream:
        text = raw.decode(errors="replace").rstrip("\n")
        print(text, file=file, flush=True)
        line(text)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> tuple[str, str]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            said = READY.match((await process.stdout.readline()).decode(errors="replace"))
    except TimeoutError:
        said = None
    if said is None:
        raise DemoFailed(f"maitre serve did not get ready; its log is {log}")
    return said[1], said[2]


def _key(state: Path) -> str:
    return str(json.loads((state / "keys" / "default.digits.json").read_text("utf-8"))["primaryKey"])
