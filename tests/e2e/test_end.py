"""How it ends: SIGTERM under load, Ctrl-C, kill -9. Nobody is cut who need not be, and nothing is left behind."""

import asyncio
import os
import pty
import re
import signal
import sys

import pytest

from tests.e2e.client import Broken
from tests.e2e.conftest import Maitre, endpoint, until_dead, version

THREE = endpoint(version("blue", maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 3}))


async def pids(maitre: Maitre, count: int) -> set[int]:
    """The replicas' own processes, by asking them."""
    await maitre.until_metric(lambda value: value == count, "maitre_replicas_total")
    found: set[int] = set()
    while len(found) < count:
        answers = await asyncio.gather(*(maitre.connection().post("digits", {"ms": 20}) for _ in range(count)))
        found |= {answer.json()["pid"] for answer in answers}
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_clean_end_under_load(serve, number):
    maitre = await serve(THREE)
    replicas = await pids(maitre, 3)
    running = [asyncio.create_task(maitre.connection().post("digits", {"ms": 700})) for _ in range(3)]  # noqa: TID251
    waiting = asyncio.create_task(maitre.connection().post("digits", {"ms": 10}))  # noqa: TID251
    await maitre.until_metric(lambda value: value == 3, "maitre_requests_in_flight")
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_queued")
    maitre.process.send_signal(number)
    await maitre.line("msg=draining")
    with pytest.raises((OSError, Broken)):  # nobody new gets in
        await maitre.connection().post("digits")
    answers = [*await asyncio.gather(*running), await waiting]
    assert [answer.status for answer in answers] == [200] * 4
    assert answers[0].headers["connection"] == "close"
    assert await maitre.stop() == 0
    await until_dead(replicas, 1)


async def test_drain_has_an_end(serve):
    """A request that never ends is cut after --drain-seconds; a second signal does not wait for that."""
    maitre = await serve(THREE, "--drain-seconds", "0.3")
    replicas = await pids(maitre, 3)
    hanging = asyncio.create_task(maitre.connection().post("digits", {"do": "hang"}))  # noqa: TID251
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_in_flight")
    assert await maitre.stop() == 0
    with pytest.raises(Broken):
        await hanging
    await until_dead(replicas, 1)

    impatient = await serve(THREE, "--drain-seconds", "1000")
    await pids(impatient, 3)
    hanging = asyncio.create_task(impatient.connection().post("digits", {"do": "hang"}))  # noqa: TID251
    await impatient.until_metric(lambda value: value == 1, "maitre_requests_in_flight")
    impatient.process.send_signal(signal.SIGINT)
    await impatient.line("msg=draining")
    assert await impatient.stop(signal.SIGINT) == 0
    with pytest.raises(Broken):
        await hanging


async def test_kill_9_leaves_no_replica(serve):
    maitre = await serve(THREE)
    replicas = await pids(maitre, 3)
    maitre.process.kill()
    await maitre.process.wait()
    await until_dead(replicas, 5)


async def test_a_port_that_is_taken_is_a_sentence(serve, tmp_path):
    maitre = await serve(THREE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", "serve", "--config", str(maitre.config), "--port", str(maitre.port),
        "--state-dir", str(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 1
    assert out == b""
    assert f"cannot listen on 0.0.0.0:{maitre.port}" in err.decode()
    assert "Traceback" not in err.decode()


async def test_ctrl_c_in_a_terminal(serve, tmp_path):
    """The terminal signals the whole foreground group: replicas are in sessions of their own and drain in order."""
    maitre = await serve(THREE)
    await maitre.stop()
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", "serve", "--config", str(maitre.config), "--port", "0", "--admin-port", "0",
        "--state-dir", str(tmp_path), stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: _controlling_terminal(slave),
    )  # fmt: skip
    os.close(slave)
    seen = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while seen.count(b"is ready on port") < 3:
            seen += await loop.run_in_executor(None, os.read, master, 65536)
        os.write(master, b"\x03")
        while b"msg=stopped" not in seen:
            seen += await loop.run_in_executor(None, os.read, master, 65536)
        assert await process.wait() == 0
    os.close(master)
    text = seen.decode()
    assert re.search(r"maitre ready: data http://\S+ admin http://\S+", text)
    assert text.count("ended as told") == 3
    assert "\x1b" not in text


def _controlling_terminal(descriptor: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
