"""The demo as a user starts it, to its end and not to its end: whatever happens, nothing of it is left running."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from examples.demo import logline
from examples.demo.child import still_running
from examples.demo.failure import DemoFailed
from examples.demo.seen import Timeline
from examples.demo.serving import serving

pytest.importorskip("sklearn", reason="scikit-learn, of the extra `demo`, is not installed")

ROOT = Path(__file__).parents[3]


@contextmanager
def demo(home: Path, output: int | IO[bytes], *options: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """The demo as leader of a process group, with its files below `home`, by which its processes can be told."""
    command = [sys.executable, "-m", "examples.demo", "--router-log", str(home / "router.log"), *options]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"TMPDIR": str(home)} | settings
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def assert_nothing_is_left(home: Path) -> None:
    log = (home / "router.log").read_text()
    starts = [logline.start(logline.fields(line), Timeline()) for line in log.splitlines()]
    pids = [start.pid for start in starts if start is not None]
    assert pids, "no replica was ever started: the test shows nothing"
    assert await still_running(pids, patience_s=0) == []
    assert str(home) not in processes()
    assert [path.name for path in home.iterdir()] == ["router.log"], "the keys are gone with the run"


def read_until(descriptor: int, words: bytes) -> bytes:
    text = b""
    while words not in text:
        more = os.read(descriptor, 65536)
        assert more, text.decode(errors="replace")
        text += more
    return text


def rest_of(descriptor: int) -> bytes:
    text = b""
    try:
        while more := os.read(descriptor, 65536):
            text += more
    except OSError:  # how Linux says that nobody has the other end of a pseudo-terminal
        pass
    return text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stopped_in_the_middle_with_its_output_in_a_pipe(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path, subprocess.PIPE, "--quick") as process:
        assert process.stdout is not None
        text = read_until(process.stdout.fileno(), b"hold")
        os.killpg(process.pid, number)
        os.killpg(process.pid, number)  # an impatient user
        text += rest_of(process.stdout.fileno())
        assert process.wait() == 128 + number
    assert b"Traceback" not in text
    assert b"\x1b" not in text
    await assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("colour", [{}, {"NO_COLOR": "1"}])
async def test_stopped_in_the_middle_in_a_terminal(tmp_path: Path, colour: dict[str, str]) -> None:
    terminal, theirs = pty.openpty()
    with demo(tmp_path, theirs, "--quick", TERM="xterm", **colour) as process:
        os.close(theirs)
        text = read_until(terminal, b"hold")
        os.killpg(process.pid, signal.SIGINT)
        text += rest_of(terminal)
        assert process.wait() == 128 + signal.SIGINT
    os.close(terminal)
    assert b"Traceback" not in text
    assert b"busy/total" in text
    assert text.rfind(b"\x1b[?25h") > text.rfind(b"\x1b[?25l") >= 0, "the cursor is back"
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-7]m", text)) is not bool(colour)
    await assert_nothing_is_left(tmp_path)


async def test_a_router_that_refuses_its_configuration_is_a_failure_in_words(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("kind: Nothing\n")
    lines: list[str] = []
    with pytest.raises(DemoFailed, match="did not get ready"):
        async with serving(wrong, tmp_path / "router.log", lines.append):
            pytest.fail("it got ready")
    assert any("wrong.yaml" in line for line in lines)


async def test_a_router_that_dies_is_a_failure_in_words(tmp_path: Path) -> None:
    with demo(tmp_path, subprocess.PIPE, "--quick") as process:
        assert process.stdout is not None
        text = read_until(process.stdout.fileno(), b"hold")
        os.kill(router_of(tmp_path), signal.SIGKILL)
        text += rest_of(process.stdout.fileno())
        assert process.wait() == 1
    assert b"demo: the router no longer shows its metrics" in text
    assert b"Traceback" not in text
    await assert_nothing_is_left(tmp_path)


def router_of(home: Path) -> int:
    """The process whose state directory lies below `home`."""
    lines = processes().splitlines()
    (pid,) = (int(line.split()[0]) for line in lines if f"--state-dir {home}/" in line)
    return pid


def processes() -> str:
    return subprocess.run(["ps", "-A", "-ww", "-o", "pid,args"], check=True, capture_output=True, text=True).stdout


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_short_run_is_seen_to_work(tmp_path: Path) -> None:
    with demo(tmp_path, subprocess.PIPE, "--quick", FORCE_COLOR="1") as process:
        output, _ = process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    checks = text.partition("\nChecks\n")[2].splitlines()
    assert len(checks) == 10
    assert all(line.startswith("ok ") for line in checks)
    assert all(character.isprintable() or character == "\n" for character in text)
    await assert_nothing_is_left(tmp_path)
