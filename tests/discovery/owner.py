"""Owns a warden and some replicas, as maitre does, to be killed by a test: prints the pids that must be gone then."""

import asyncio
import logging
import signal
import subprocess
import sys
from pathlib import Path

import uvloop

from router.discovery.ports import Ports
from router.discovery.processes import LocalProcesses
from router.discovery.program import Program
from router.discovery.readiness import Prober
from router.discovery.warden import Warden

STUB = Path(__file__).with_name("model_stub.py")


class Roster:
    def __init__(self, wished: int) -> None:
        self._left = wished
        self._reading = asyncio.Lock()  # two threads in one readline could lose a line between them

    def add(self, replica: str, host: str, port: int, tls: object) -> None:
        self._left -= 1
        if self._left == 0:
            print("ready", flush=True)

    def retire(self, replica: str) -> None:
        print("retired", flush=True)

    def held(self, replica: str) -> int:
        return 0

    async def emptied(self, replica: str) -> None:
        print("draining", flush=True)
        async with self._reading:
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    def expect(self, coming: bool) -> None:
        pass


def start_worker(warden: Warden) -> None:
    """A process that does nothing but live, with the lifeline."""
    worker = subprocess.Popen(
        ["sleep", "600"],
        pass_fds=(warden.lifeline,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    print("worker", worker.pid, flush=True)


async def main(*flags: str) -> None:
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    warden, prober = Warden(), Prober()
    await warden.start()
    if "--worker" in flags:
        flags = ()
        start_worker(warden)
    group = LocalProcesses(
        Program("digits", "blue", (sys.executable, "-I", "-S", str(STUB), "--port={port}", *flags), Path.cwd()),
        roster=Roster(2),
        warden=warden,
        ports=Ports(),
        prober=prober,
        drain_s=60,
        sink=lambda replica, line: print(line, flush=True),
    )
    group.resize(2)
    await interrupted.wait()
    await group.close()
    await prober.close()
    await warden.close()
    print("closed", flush=True)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", stream=sys.stdout, level=logging.INFO)
    uvloop.run(main(*sys.argv[1:]))
