"""What a test run leaves behind when it is killed: nothing."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import until_dead
from tests.fakes.changes import BOUND_S

# a run that has got as far as starting its servers
RUN = """
import sys, time
from pathlib import Path
from tests.kube.control_plane import ControlPlane
plane = ControlPlane(Path(sys.argv[1]))
plane.etcd.start()
plane.api_server.start()
print(plane.folder, plane.etcd.pid, plane.api_server.pid, flush=True)
time.sleep(60)
"""


async def test_neither_a_process_nor_a_file_when_it_is_killed(assets):
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, str(assets), stdout=subprocess.PIPE)
    async with asyncio.timeout(BOUND_S):
        folder, *pids = (await run.stdout.readline()).decode().split()
    assert Path(folder).is_dir()
    run.kill()
    await run.wait()
    await until_dead(set(map(int, pids)), BOUND_S)
    async with asyncio.timeout(BOUND_S):
        while Path(folder).exists():
            await asyncio.sleep(0.02)
