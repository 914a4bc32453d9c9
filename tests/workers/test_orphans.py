"""What becomes of workers when their control process is killed, and of their doors."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from router.workers import door as door_module
from router.workers.door import Door, door_name, own_folder
from router.workers.orphans import claim_orphans
from router.workers.process import Stranger
from router.workers.worker import Patience
from tests.workers.crew import BOUND_S, ROOT, runs, visit


@dataclass
class Control:
    process: asyncio.subprocess.Process
    port: int
    workers: list[int]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.communicate()


@pytest.fixture
def doors(tmp_path) -> Path:
    deep = tmp_path / ("a folder with a long name" * 6)  # longer than the address of a Unix socket may be
    return deep / "workers"


@pytest.fixture
async def control(doors) -> AsyncIterator[Callable[[int], Awaitable[Control]]]:
    made: list[Control] = []

    async def control(size: int) -> Control:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.workers.control", str(doors), str(size)),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        async with asyncio.timeout(BOUND_S):
            port, *pids = map(int, (await process.stdout.readline()).split())
        made.append(Control(process, port, pids))
        return made[-1]

    yield control
    for one in made:
        if one.process.returncode is None:
            await one.kill()
        for pid in filter(runs, one.workers):
            os.kill(pid, signal.SIGKILL)


async def test_orphans_go_on_are_claimed_and_drain(control, doors, supervise, owner, port):
    """From the death of one control process to the end of the last of its workers nobody is refused."""
    first = await control(2)
    held = [await visit(first.port)]
    await first.kill()
    assert await held[0].works()
    held.append(await visit(first.port))

    port.number = first.port
    second = supervise()
    orphans = await claim_orphans(doors, "stub")
    assert {orphan.pid for orphan in orphans} == set(first.workers)
    adopted = [second.adopt(orphan) for orphan in orphans]
    await owner.word(("bounds of", "1"))
    await owner.word(("bounds of", "2"))
    late = await visit(first.port)  # there is nobody else yet
    assert late.pid in first.workers
    await late.close()
    assert {worker.asked for worker in adopted} == {False}
    assert second.ready == 0
    await second.start(1)
    assert {worker.asked for worker in adopted} == {True}
    assert all([await client.works() for client in held])
    for client in held:
        await client.close()
    left = await owner.until("left", 2)
    assert {name for name, _ in left} == {worker.name for worker in adopted}
    assert {how for _, how in left} == {"ended"}
    assert [*doors.iterdir()] == []
    client = await visit(first.port)
    assert (client.name, client.pid) == ("3", owner.alive["3"].pid)
    await client.close()


async def test_what_an_orphan_says_before_it_is_adopted_is_not_lost(control, doors, supervise, owner):
    first = await control(1)
    client = await visit(first.port)
    await first.kill()
    (orphan,) = await claim_orphans(doors, "stub")
    async with asyncio.timeout(BOUND_S):
        while orphan.channel.incoming.messages < 10:
            await asyncio.sleep(0.01)
    supervisor = supervise()
    supervisor.adopt(orphan)
    await owner.until("received", 1)
    assert [kind for kind, _, _ in owner.events] == ["joined", "received"]
    assert owner.all("received")[0][1] == ("bounds of", "1")
    await client.close()
    await supervisor.stop(5.0)
    assert owner.all("received")[-1][1] == ("served", 1)


async def test_an_orphan_that_dies_between_claim_and_adoption_is_told_as_left(control, doors, supervise, owner):
    first = await control(1)
    await first.kill()
    (orphan,) = await claim_orphans(doors, "stub")
    os.kill(orphan.pid, signal.SIGKILL)
    await orphan.process.ended
    supervise().adopt(orphan)
    assert await owner.until("left") == [("1", "ended")]


async def test_whose_control_process_lives_is_not_claimed(control, doors):
    await control(1)
    assert await claim_orphans(doors, "stub") == []


async def test_of_two_claimants_one_gets_it(control, doors, supervise):
    first = await control(1)
    client = await visit(first.port)
    await first.kill()
    one, other = await asyncio.gather(claim_orphans(doors, "stub"), claim_orphans(doors, "stub"))
    (orphan,) = one + other
    assert orphan.pid == first.workers[0]
    supervise().adopt(orphan)
    await client.close()


async def test_an_orphan_of_a_claimant_that_died_is_claimed_again(control, doors, supervise):
    first = await control(1)
    client = await visit(first.port)
    await first.kill()
    (orphan,) = await claim_orphans(doors, "stub")
    orphan.leave()
    (again,) = await claim_orphans(doors, "stub")
    assert again.pid == orphan.pid
    supervise().adopt(again)
    await client.close()


async def test_another_instance_has_other_doors(control, doors):
    first = await control(1)
    await first.kill()
    assert await claim_orphans(doors, "another") == []
    assert runs(first.workers[0])


async def test_one_that_does_not_answer_is_killed(control, doors, caplog):
    first = await control(1)
    await first.kill()
    os.kill(first.workers[0], signal.SIGSTOP)
    assert await claim_orphans(doors, "stub", answer_s=0.2) == []
    assert not runs(first.workers[0])
    assert "does not answer" in caplog.text


async def test_a_hung_orphan_is_killed_after_its_adoption_too(control, doors, supervise, owner):
    first = await control(1)
    client = await visit(first.port)
    await first.kill()
    (orphan,) = await claim_orphans(doors, "stub")
    os.kill(orphan.pid, signal.SIGSTOP)
    supervise(patience=Patience(hung_s=0.5)).adopt(orphan)
    assert await owner.until("left") == [("1", "said nothing for 0.5 s; ended")]
    await client.close()


async def test_dead_doors_are_removed(doors):
    with own_folder(doors):
        pass
    dead = subprocess.Popen(["true"])
    dead.wait()
    nobody = doors / door_name("stub", dead.pid)
    somebody_else = doors / door_name("stub", os.getppid())  # who has got the number of a worker that died
    for path in (nobody, somebody_else):
        bound = socket.socket(socket.AF_UNIX)
        with own_folder(doors) as folder:
            bound.bind(door_module.address(folder, path))
        bound.close()
    other = doors / "something else"
    other.touch()
    assert await claim_orphans(doors, "stub") == []
    assert [*doors.iterdir()] == [other]


async def test_doors_are_for_this_user_alone(doors):
    door = Door(doors, "stub", orphaned=lambda: False, taken_over=lambda channel: None)
    doors.mkdir(mode=0o755, parents=True)
    door.open()
    assert door.path.stat().st_mode & 0o777 == 0o600
    assert doors.stat().st_mode & 0o777 == 0o700
    door.close()
    assert not door.path.exists()
    door.close()


async def test_a_folder_of_somebody_else_is_not_used(doors, monkeypatch, caplog):
    with own_folder(doors):
        pass
    monkeypatch.setattr(os, "geteuid", lambda: doors.stat().st_uid + 1)
    door = Door(doors, "stub", orphaned=lambda: False, taken_over=lambda channel: None)
    door.open()
    assert "cannot be adopted" in caplog.text
    assert [*doors.iterdir()] == []
    door.close()
    assert await claim_orphans(doors, "stub") == []
    assert "cannot look for workers left behind" in caplog.text


async def test_without_proc_a_long_path_has_no_address(doors, monkeypatch, tmp_path):
    with own_folder(doors) as folder:
        monkeypatch.setattr(door_module.Path, "exists", lambda path: False)
        with pytest.raises(OSError, match="too long"):
            door_module.address(folder, doors / "door")
        assert door_module.address(folder, Path("/run/door")) == "/run/door"


async def test_what_is_no_request_is_answered_no(doors):
    door = Door(doors, "stub", orphaned=lambda: True, taken_over=lambda channel: pytest.fail("taken over"))
    door.open()
    with own_folder(doors) as folder:
        knocking = socket.socket(socket.AF_UNIX)
        knocking.connect(door_module.address(folder, door.path))
    knocking.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(knocking, b"\xff\xff\xff\xff")
    async with asyncio.timeout(BOUND_S):
        assert await loop.sock_recv(knocking, 1) == b""
    knocking.close()
    door.close()


@pytest.mark.parametrize("handles", [True, False])
async def test_of_a_stranger_it_is_known_when_it_ends(monkeypatch, handles):
    if not handles:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        monkeypatch.setattr(sys, "platform", "other")
    popen = subprocess.Popen(["sleep", "60"])
    stranger = Stranger(popen.pid)
    stranger.kill()
    popen.wait()
    async with asyncio.timeout(BOUND_S):
        assert await stranger.ended == "ended"
    stranger.kill()
    stranger.forget()
    with pytest.raises(ProcessLookupError):
        Stranger(popen.pid)
