"""Lines that go to a file without the event loop waiting for the disk.

The loop appends to a buffer; when that reaches 64 KiB, or a second after its first line, the whole of it goes to a
thread that writes. The thread does one thing after another, so lines and reopenings happen in the order of the calls.
The file is opened for appending and a buffer is whole lines, so several processes can share it.

A disk that is full or too slow costs lines, never requests: they are dropped, counted in `dropped` (a buffer that fails
in the middle counts whole), and a warning says so, at most once a minute. A line that was cut is ended before the next.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

FLUSH_BYTES: Final = 64 * 1024
FLUSH_S: Final = 1.0
MAX_WAITING_BYTES: Final = 8 * 1024 * 1024
"""What may wait for a slow disk; about 25,000 lines."""
WARN_EVERY_S: Final = 60.0
STDOUT: Final = "-"

logger = logging.getLogger("maitre.accesslog")


class LogFile:
    """Appends lines to the file `path` (mode 0640 if made), or to standard output for "-". Used on `loop` only.

    Raises OSError when the file cannot be opened at the start.
    """

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self.dropped = 0
        self._path = path
        self._loop = loop
        self._buffer: list[bytes] = []
        self._buffer_bytes = 0
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._warned_at: float | None = None
        self._closed = False
        self._file = _Appender(path)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-file")

    def append(self, line: bytes) -> None:
        """Take one line, its line end included. Returns at once; after `close` lines are dropped."""
        if self._closed or self._waiting_bytes >= MAX_WAITING_BYTES:
            self._drop(1, "closed" if self._closed else "writing is slower than what there is to write")
            return
        self._buffer.append(line)
        self._buffer_bytes += len(line)
        if self._buffer_bytes >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Hand what is buffered to the writing thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._buffer:
            return
        lines, size = self._buffer, self._buffer_bytes
        self._buffer, self._buffer_bytes = [], 0
        self._waiting_bytes += size
        self._perform(lambda: self._file.write(b"".join(lines)), lines=len(lines), size=size)

    def reopen(self) -> None:
        """Go on in a new file of the same name, after a rotation; if it cannot be opened, stay with the old one."""
        self.flush()
        if self._path != STDOUT and not self._closed:
            self._perform(self._file.reopen)

    async def close(self) -> None:
        """Write what is buffered and close the file."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        await self._loop.run_in_executor(self._writer, self._file.close)
        self._writer.shutdown(wait=False)

    def _perform(self, work: Callable[[], None], lines: int = 0, size: int = 0) -> None:
        """Run `work`, which stands for so many lines and bytes, on the thread, after what was given to it before."""

        def done(future: asyncio.Future[None]) -> None:
            self._waiting_bytes -= size
            try:
                future.result()
            except OSError as failure:
                self._drop(lines, str(failure))

        self._loop.run_in_executor(self._writer, work).add_done_callback(done)

    def _drop(self, lines: int, reason: str) -> None:
        self.dropped += lines
        now = self._loop.time()
        if self._warned_at is None or now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            logger.warning(
                "cannot write the log file",
                extra={"fields": {"file": self._path, "reason": reason, "dropped": self.dropped}},
            )

    def __repr__(self) -> str:
        waiting = f"{self._buffer_bytes} B buffered, {self._waiting_bytes} B waiting"
        return f"<LogFile {self._path} {waiting}, {self.dropped} dropped>"


class _Appender:
    """The file itself, blocking; touched by the writing thread only once it is opened."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._cut_line = False
        self._descriptor = os.dup(1) if path == STDOUT else _open(path)

    def write(self, lines: bytes) -> None:
        content = b"\n" + lines if self._cut_line else lines
        written = 0
        try:
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
        finally:
            if written:
                self._cut_line = content[written - 1 : written] != b"\n"

    def reopen(self) -> None:
        fresh = _open(self._path)
        os.close(self._descriptor)
        self._descriptor = fresh
        self._cut_line = False

    def close(self) -> None:
        os.close(self._descriptor)


def _open(path: str) -> int:
    return os.open(Path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
