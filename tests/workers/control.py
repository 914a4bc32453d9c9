"""A control process with stub workers, to be killed by a test: prints the port and the workers' pids, and waits."""

import asyncio
import sys
from pathlib import Path

from router.workers.supervisor import Supervisor
from tests.workers.crew import Owner, Port, starter


async def main(doors: str, size: str) -> None:
    port, owner = Port(), Owner()
    supervisor = Supervisor(starter("--doors", doors), owner, bind=port.bind, drain_s=5.0)
    await supervisor.start(int(size))
    print(port.number, *(pid for _, pid in owner.all("ready")), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await supervisor.stop(1.0)


if __name__ == "__main__":
    asyncio.run(main(str(Path(sys.argv[1])), sys.argv[2]))
