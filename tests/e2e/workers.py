"""A router's processes as the kernel shows them (proc(5), Linux): workers, their CPU time, whose a connection is."""

import asyncio
import os
import signal
from collections.abc import Collection
from pathlib import Path

from bench.processes import cpu_seconds, family
from tests.e2e.conftest import Maitre, alive
from tests.fakes.changes import BOUND_S

WORKER = b"router.worker"
"""The module that a worker process runs."""
LISTENING = "0A"


def workers(maitre: Maitre) -> set[int]:
    """The worker processes; the one process where that does it all."""
    return worker_processes(maitre) or {maitre.process.pid}


def worker_processes(maitre: Maitre) -> set[int]:
    return {pid for pid in family(maitre.process.pid) if _is_worker(pid)}


def _is_worker(pid: int) -> bool:
    try:
        return WORKER in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until_workers(
    maitre: Maitre, number: int, without: Collection[int] = (), bound_s: float = BOUND_S
) -> set[int]:
    """Waits until so many run, none of them one of `without`."""
    async with asyncio.timeout(bound_s):
        while len(found := workers(maitre)) != number or not found.isdisjoint(without):
            await asyncio.sleep(0.02)
    return found


def cpu_s(maitre: Maitre) -> float:
    """CPU time of all its processes."""
    return cpu_seconds(maitre.process.pid)


def listeners(port: int, pids: Collection[int]) -> set[int]:
    """Which of these processes accept connections. IPv4."""
    listening = {inode for inode, _ in _server_ends(port, listening=True)}
    return {pid for pid in pids if not listening.isdisjoint(_sockets(pid))}


def owners(port: int, pids: Collection[int]) -> dict[int, int]:
    """Which of these processes has accepted the connection of each client, by the client's port. IPv4."""
    clients = dict(_server_ends(port, listening=False))
    return {clients[inode]: pid for pid in pids for inode in _sockets(pid) if inode in clients}


def _server_ends(port: int, *, listening: bool) -> list[tuple[str, int]]:
    """Of a port of this machine: inode and client's port of each connection, or of each socket that listens."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, _, _, _, _, inode, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port and inode != "0" and (state == LISTENING) == listening:
            found.append((inode, int(remote.rpartition(":")[2], 16)))
    return found


def _sockets(pid: int) -> set[str]:
    """Inodes."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def end(pids: Collection[int]) -> None:
    """Whatever became of a test, nothing of its router stays behind."""
    for pid in pids:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
