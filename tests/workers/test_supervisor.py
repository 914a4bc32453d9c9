"""Workers with real processes: what becomes of them, of their seats, and of those who connect meanwhile."""

import asyncio
import os
import signal

import pytest

from router.errors import WorkerFailed
from router.workers.supervisor import LOOK_S
from router.workers.worker import Patience
from tests.workers.crew import BOUND_S, Client, visit


async def test_as_many_as_wished_are_ready_and_end_when_told(supervise, owner, port):
    supervisor = supervise()
    await supervisor.start(2)
    assert (supervisor.size, supervisor.ready) == (2, 2)
    client = await visit(port.number)
    assert client.pid in [pid for _, pid in owner.all("ready")]
    await client.close()
    await supervisor.stop(5.0)
    assert sorted(how for _, how in owner.all("left")) == ["exited with status 0"] * 2
    assert repr(supervisor) == "<Supervisor size=0 ready=0 []>"


async def test_last_words_come_before_the_end(supervise, owner, port):
    supervisor = supervise()
    await supervisor.start(1)
    for _ in range(3):
        await (await visit(port.number)).close()
    await supervisor.stop(5.0)
    assert owner.events[-2:] == [("received", "1", ("served", 3)), ("left", "1", "exited with status 0")]


async def test_what_is_sent_when_it_joins_is_the_first_that_it_reads(supervise, owner):
    owner.joined, remember = (
        lambda worker: (remember(worker), worker.send("table"), worker.send("leases")),
        owner.joined,
    )
    await supervise().start(1)
    await owner.until("received", 2)
    assert owner.all("received")[:2] == [("1", ("echo", "table")), ("1", ("echo", "leases"))]


async def test_a_killed_worker_is_followed_on_the_same_socket(supervise, owner, pauses, port):
    """Who connects while there is no worker is served by the next one."""
    await supervise().start(1)
    pauses.go.clear()
    elder = owner.alive["1"].pid
    os.kill(elder, signal.SIGKILL)
    assert await owner.until("left") == [("1", "was killed by SIGKILL")]
    await pauses.until(1)
    client = await Client.connect(port.number)
    pauses.go.set()
    await client.greeted()
    assert client.name == "2"
    assert client.pid != elder
    await client.close()


async def test_a_stopped_worker_is_killed_and_followed(supervise, owner, port):
    supervisor = supervise(patience=Patience(hung_s=1.0))
    await supervisor.start(1)
    await owner.alive["1"].settled
    os.kill(owner.alive["1"].pid, signal.SIGSTOP)
    assert await owner.until("left") == [("1", "said nothing for 1 s; was killed by SIGKILL")]
    await owner.until("ready", 2)
    await (await visit(port.number)).close()


async def test_whoever_did_not_listen_blames_nobody(supervise, owner):
    """The clock has jumped, as when this process was stopped: what was said meanwhile has not been read."""
    jumped_s = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal jumped_s
        assert seconds == LOOK_S
        await asyncio.sleep(0.01)
        jumped_s += 100.0

    loop = asyncio.get_running_loop()
    patience = Patience(hung_s=3.0, start_s=1e9)
    supervisor = supervise(sleep=sleep, now=lambda: loop.time() + jumped_s, patience=patience)
    await supervisor.start(1)
    number = 0
    while jumped_s < 2000:
        owner.alive["1"].send(number)
        await owner.word(("echo", number))
        number += 1
    assert owner.all("left") == []


async def test_a_crash_loop_pauses_longer_each_time_and_is_told_once(supervise, owner, pauses, tmp_path, caplog):
    broken = tmp_path / "broken"
    await supervise("--fail-if", str(broken)).start(1)
    broken.touch()
    os.kill(owner.alive["1"].pid, signal.SIGKILL)
    taken = await pauses.until(6)
    assert taken[:5] == [0.1, 0.2, 0.4, 0.5, 0.5]
    failed = [record.fields["how"] for record in caplog.records if record.message.startswith("worker failed")]
    assert failed == ["was killed by SIGKILL", "exited with status 3"]
    broken.unlink()
    await owner.until("ready", 2)


async def test_one_that_cannot_be_started_is_a_failure_like_any_other(supervise, pauses):
    supervisor = supervise()

    def start(name: str, channel: int, listening: int) -> None:
        raise OSError("no more processes")

    object.__setattr__(supervisor._around, "start", start)
    with pytest.raises(WorkerFailed, match="cannot be started: no more processes"):
        await supervisor.start(1)
    assert supervisor.workers == []


async def test_the_first_ones_must_become_ready(supervise, tmp_path):
    supervisor = supervise("--fail-if", str(tmp_path))
    with pytest.raises(WorkerFailed, match="a worker exited with status 3"):
        await supervisor.start(2)
    assert supervisor.workers == []


async def test_one_that_is_never_ready_is_killed(supervise):
    supervisor = supervise("--never-ready", patience=Patience(start_s=0.5))
    with pytest.raises(WorkerFailed, match="did not become ready; was killed by SIGKILL"):
        await supervisor.start(1)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("garbage", "a frame of 4294967295 bytes was announced, 67108864 are the most; was killed by SIGKILL"),
        ("close", "closed its channel and did not exit; was killed by SIGKILL"),
        ("exit without a word", "exited with status 7"),
    ],
)
async def test_without_a_channel_a_worker_is_of_no_use(supervise, owner, said, how):
    await supervise(patience=Patience(grace_s=0.3)).start(1)
    owner.alive["1"].send(said)
    assert await owner.until("left") == [("1", how)]
    await owner.until("ready", 2)


async def test_one_too_many_drains(supervise, owner, port):
    """The newest seat is given up; who is connected to it goes on, and nobody is refused."""
    supervisor = supervise()
    await supervisor.start(2)
    clients = [await visit(port.number)]
    while clients[-1].name == clients[0].name:
        clients.append(await visit(port.number))
    of = {client.name: client for client in clients}
    supervisor.resize(1)
    assert supervisor.size == 1
    assert all([await client.works() for client in clients])
    assert owner.all("left") == []
    for _ in range(20):
        late = await visit(port.number)
        assert late.name in ("1", "2")
        await late.close()
    for client in clients:
        if client is not of["1"]:
            await client.close()
    assert await owner.until("left") == [("2", "exited with status 0")]
    assert await of["1"].works()
    await of["1"].close()


async def test_one_more_and_one_less(supervise, owner):
    supervisor = supervise()
    await supervisor.start(1)
    supervisor.resize(3)
    await owner.until("ready", 3)
    supervisor.resize(2)
    assert await owner.until("left") == [("3", "exited with status 0")]
    assert (supervisor.size, supervisor.ready) == (2, 2)


async def test_one_that_does_not_drain_is_killed(supervise, owner):
    supervisor = supervise("--deaf", patience=Patience(grace_s=0.3))
    await supervisor.start(1)
    await supervisor.stop(0.2)
    assert owner.all("left") == [("1", "did not end when told to; was killed by SIGKILL")]


async def test_a_stop_can_be_hurried(supervise, owner, port):
    supervisor = supervise()
    await supervisor.start(1)
    client = await visit(port.number)
    stopping = asyncio.get_running_loop().create_task(supervisor.stop(3600.0))
    assert await client.works()
    assert not stopping.done()
    async with asyncio.timeout(BOUND_S):
        await supervisor.stop(0.0)
        await stopping
    await client.close()


async def test_a_stop_ends_a_pause(supervise, owner, pauses):
    supervisor = supervise()
    await supervisor.start(1)
    pauses.go.clear()
    os.kill(owner.alive["1"].pid, signal.SIGKILL)
    await pauses.until(1)
    async with asyncio.timeout(BOUND_S):
        await supervisor.stop(3600.0)


async def test_a_reload_replaces_one_at_a_time_and_refuses_nobody(supervise, owner, port):
    supervisor = supervise()
    await supervisor.start(2)
    held = await visit(port.number)
    reloading = asyncio.get_running_loop().create_task(supervisor.reload())
    while len(owner.all("ready")) < 4:
        client = await visit(port.number)
        assert await client.works()
        await client.close()
    assert not reloading.done()
    assert await held.works()
    await held.close()
    assert await reloading
    assert sorted(owner.alive) == ["3", "4"]
    told = [(kind, name) for kind, name, _ in owner.events if kind in ("joined", "ready")]
    assert told[-4:] == [("joined", "3"), ("ready", "3"), ("joined", "4"), ("ready", "4")]
    assert [how for _, how in owner.all("left")] == ["exited with status 0"] * 2


async def test_a_reload_that_fails_leaves_the_others_as_they_are(supervise, owner, tmp_path, port):
    broken = tmp_path / "broken"
    supervisor = supervise("--fail-if", str(broken))
    await supervisor.start(2)
    broken.touch()
    assert not await supervisor.reload()
    assert sorted(owner.alive) == ["1", "2"]
    await (await visit(port.number)).close()


async def test_a_reload_during_a_pause_ends_the_pause(supervise, owner, pauses):
    supervisor = supervise()
    await supervisor.start(1)
    pauses.go.clear()
    os.kill(owner.alive["1"].pid, signal.SIGKILL)
    await pauses.until(1)
    assert await supervisor.reload()
    await owner.until("ready", 2)


async def test_a_reload_in_a_stop_comes_to_an_end(supervise):
    supervisor = supervise()
    await supervisor.start(2)
    reloading = asyncio.get_running_loop().create_task(supervisor.reload())
    await asyncio.sleep(0)
    async with asyncio.timeout(BOUND_S):
        await supervisor.stop(1.0)
        await reloading


async def test_once_stopped_it_stays_empty(supervise, owner):
    supervisor = supervise()
    await supervisor.stop(0.0)
    supervisor.resize(2)
    assert supervisor.size == 0
    assert owner.events == []
