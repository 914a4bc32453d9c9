"""Endpoints of a running router managed as their owner does: by the `maitre` command, or by the SDK."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from router.client import AsyncMaitre
from tests.e2e.client import Connection
from tests.e2e.conftest import BOUND_S, MODEL, Maitre

COMMAND = [sys.executable, "-I", "-S", str(MODEL), "--port", "{port}", "--ms", "0"]
"""Of a model that answers at once."""


def token_file(maitre: Maitre) -> Path:
    return maitre.config.parent / "state" / "admin-token"


def admin_url(maitre: Maitre) -> str:
    return f"{maitre.schemes[1]}://127.0.0.1:{maitre.admin_port}"


def sdk(maitre: Maitre) -> AsyncMaitre:
    return AsyncMaitre(admin_url(maitre), token_file(maitre).read_text().strip())


@dataclass(frozen=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str


async def run(maitre: Maitre, *words: str, given: str = "") -> Ran:
    """`maitre WORDS`, with `given` on its standard input."""
    environment = {
        **os.environ,
        "MAITRE_ADMIN_URL": admin_url(maitre),
        "MAITRE_ADMIN_TOKEN": token_file(maitre).read_text().strip(),
        "NO_COLOR": "1",
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", *words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    async with asyncio.timeout(2 * BOUND_S):
        out, err = await process.communicate(given.encode())
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


async def split(maitre: Maitre, key: str, requests: int = 600, clients: int = 4) -> dict[str, float]:
    """Percent of real requests that each version answered; every one must be answered 200."""
    seen: Counter[str] = Counter()

    async def ask(connection: Connection, times: int) -> None:
        for _ in range(times):
            answer = await connection.post("digits")
            assert answer.status == 200, answer
            seen[answer.version] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(ask(maitre.connection(key), requests // clients))
    return {version: 100 * count / seen.total() for version, count in sorted(seen.items())}


def near(measured: dict[str, float], expected: dict[str, float], percent: float = 8.0) -> bool:
    """Of 600 requests a share of 20 % strays by more than 8 once in a million times (five standard deviations)."""
    return measured.keys() == expected.keys() and all(
        abs(measured[version] - share) <= percent for version, share in expected.items()
    )


def words(command: Sequence[str]) -> str:
    """As one argument of the command line."""
    return " ".join(command)
