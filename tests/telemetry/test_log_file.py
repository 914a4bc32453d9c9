"""Lines that go to a file: buffering, rotation, and disks that are full or slow."""

import asyncio
import errno
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from router.telemetry import log_file
from router.telemetry.log_file import FLUSH_BYTES, LogFile


@pytest.fixture
async def path(tmp_path):
    return tmp_path / "access.log"


def opened(path: Path | str) -> LogFile:
    return LogFile(str(path), asyncio.get_running_loop())


async def written(file: LogFile) -> None:
    """Wait for the thread to have done, and the loop to have heard of, what was handed over until now."""
    async with asyncio.timeout(5):
        await file._loop.run_in_executor(file._writer, lambda: None)


async def test_lines_wait_in_the_buffer_until_closed(path):
    file = opened(path)
    file.append(b"one\n")
    assert repr(file) == f"<LogFile {path} 4 B buffered, 0 B waiting, 0 dropped>"
    await written(file)
    assert path.read_bytes() == b""
    await file.close()
    await file.close()
    assert path.read_bytes() == b"one\n"


async def test_a_full_buffer_goes_out(path):
    file = opened(path)
    line = b"x" * 1023 + b"\n"
    for _ in range(FLUSH_BYTES // len(line)):
        file.append(line)
    await written(file)
    assert path.stat().st_size == FLUSH_BYTES
    assert repr(file) == f"<LogFile {path} 0 B buffered, 0 B waiting, 0 dropped>"
    await file.close()


async def test_a_line_is_in_the_file_after_a_second_at_most(path, monkeypatch):
    assert log_file.FLUSH_S == 1.0
    monkeypatch.setattr(log_file, "FLUSH_S", 0.01)
    file = opened(path)
    for line in (b"one\n", b"two\n"):
        file.append(line)
        async with asyncio.timeout(5):
            while not path.read_bytes().endswith(line):
                await asyncio.sleep(0.001)
    await file.close()


async def test_a_rotated_file_keeps_its_lines_and_a_new_one_gets_the_next(path):
    file = opened(path)
    file.append(b"before\n")
    path.rename(path.with_suffix(".1"))
    file.append(b"still before\n")
    file.reopen()
    file.append(b"after\n")
    await file.close()
    assert path.with_suffix(".1").read_bytes() == b"before\nstill before\n"
    assert path.read_bytes() == b"after\n"


async def test_when_reopening_fails_the_old_file_stays(path, caplog):
    file = opened(path)
    moved = path.parent / "moved"
    path.rename(moved)
    path.mkdir()
    file.reopen()
    file.append(b"goes on\n")
    await file.close()
    assert moved.read_bytes() == b"goes on\n"
    assert file.dropped == 0
    assert [record.getMessage() for record in caplog.records] == ["cannot write the log file"]


async def test_several_processes_can_share_the_file(path):
    one, other = opened(path), opened(path)
    for _ in range(50):
        one.append(b"one\n")
        other.append(b"other\n")
        one.flush()
        other.flush()
    await one.close()
    await other.close()
    assert sorted(path.read_bytes().split()) == [b"one"] * 50 + [b"other"] * 50


async def test_what_is_not_there_yet_is_made_for_owner_and_group(path):
    await opened(path).close()
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


async def test_a_file_that_cannot_be_opened_is_told_at_the_start(tmp_path):
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
async def test_a_full_disk_drops_and_counts_lines_and_warns_once(caplog):
    file = opened("/dev/full")
    for _ in range(3):
        file.append(b"one\n")
        file.append(b"two\n")
        file.flush()
        await written(file)
    await file.close()
    assert file.dropped == 6
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].fields == {
        "file": "/dev/full",
        "reason": f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}",
        "dropped": 2,
    }


async def test_the_warning_comes_again_after_a_minute(monkeypatch, caplog):
    file = opened("/dev/null")
    await file.close()
    now = 100.0
    monkeypatch.setattr(file, "_loop", type("Clock", (), {"time": lambda _self: now})())
    for now in (100.0, 159.9, 160.0, 161.0):  # noqa: B007  read by the clock
        file.append(b"dropped\n")
    assert file.dropped == 4
    assert [record.fields["dropped"] for record in caplog.records] == [1, 3]


async def test_a_cut_line_is_ended_before_the_next(path, monkeypatch):
    file = opened(path)
    write, room = os.write, [6]

    def write_until_full(descriptor: int, content: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(descriptor, content[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", write_until_full)
    file.append(b"one\ntwo\n")
    file.flush()
    await written(file)
    monkeypatch.setattr(os, "write", write)
    for line in (b"three\n", b"four\n"):
        file.append(line)
        file.flush()
    await file.close()
    assert path.read_bytes() == b"one\ntw\nthree\nfour\n"


async def test_a_disk_that_is_too_slow_costs_lines_not_memory(path, monkeypatch):
    monkeypatch.setattr(log_file, "MAX_WAITING_BYTES", 10)
    file = opened(path)
    disk = threading.Event()
    file._perform(lambda: disk.wait(5) and None)
    for _ in range(3):
        file.append(b"twelve bytes\n")
        file.flush()
    assert (file.dropped, file._waiting_bytes) == (2, 13)
    disk.set()
    await file.close()
    assert path.read_bytes() == b"twelve bytes\n"


async def test_the_loop_does_not_wait_for_the_disk(path):
    file = opened(path)
    disk = threading.Event()
    file._perform(lambda: disk.wait(5) and None)
    file.append(b"x" * FLUSH_BYTES)
    await asyncio.sleep(0)
    assert path.stat().st_size == 0
    disk.set()
    await file.close()
    assert path.stat().st_size == FLUSH_BYTES


def test_a_dash_is_standard_output():
    program = (
        "import asyncio\n"
        "from router.telemetry.log_file import LogFile\n"
        "async def main():\n"
        "    file = LogFile('-', asyncio.get_running_loop())\n"
        "    file.append(b'one\\n')\n"
        "    file.reopen()\n"
        "    file.append(b'two\\n')\n"
        "    await file.close()\n"
        "    print('three')\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout == "one\ntwo\nthree\n"
