"""What replicas print: cut into lines, read from a pipe, the last of it kept and told to who follows."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Final, Protocol

LINE_LIMIT: Final = 64 * 1024
"""Longest line passed on, in bytes; what is longer goes on as a line of its own."""

READ_SIZE: Final = 64 * 1024
READS_AT_END: Final = 16  # 1 MiB, the most that a pipe holds by default limits of Linux


class LineCutter:
    """Bytes in, whole lines out; the result does not depend on how the bytes were split up. No I/O."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._begun = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that are whole now, without their ends."""
        *whole, self._begun = (self._begun + data).split(b"\n")
        for line in whole:
            yield from self._cut(line)
        if len(self._begun) > self._limit:
            *full, self._begun = self._pieces(self._begun)
            yield from map(_text, full)

    def rest(self) -> Iterator[str]:
        """The line that had no end when the output ended, if there is one."""
        if self._begun:
            yield from self._cut(self._begun)
            self._begun = b""

    def _cut(self, line: bytes) -> Iterator[str]:
        return map(_text, self._pieces(line))

    def _pieces(self, line: bytes) -> list[bytes]:
        return [line[at : at + self._limit] for at in range(0, len(line), self._limit)] or [b""]


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


class OutputPipe:
    """Reads one replica's output from a pipe, unbuffered, which it closes in the end."""

    def __init__(self, pipe: IO[bytes], line: Callable[[str], None]) -> None:
        self._pipe = pipe
        self._descriptor = pipe.fileno()
        os.set_blocking(self._descriptor, False)
        self._line = line
        self._cutter = LineCutter()
        self._loop = asyncio.get_running_loop()
        self._reading = True
        self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Takes what is still in the pipe; does not wait for its end, which a stray process may hold off for ever."""
        for _ in range(READS_AT_END):
            if not (self._reading and self._read()):
                break
        self._stop()
        self._pipe.close()
        self._pass_on(self._cutter.rest())

    def _read(self) -> bool:
        """Whether there may be more at once."""
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._stop()
        self._pass_on(self._cutter.feed(data))
        return bool(data)

    def _stop(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def _pass_on(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._line(line)


class Follower(Protocol):
    """Who is told of each line when it comes."""

    def put(self, line: tuple[str, str], /) -> None:
        """Replica and line; must not wait, nor raise."""

    def close(self) -> None:
        """No more come. Is called once."""


class RecentLines:
    """The last lines of a version's replicas, bounded in number and in characters; who follows is told of each."""

    def __init__(self, lines: int = 5_000, characters: int = 4_000_000) -> None:
        self._most_lines = lines
        self._most_characters = characters
        self._lines: deque[tuple[str, str]] = deque()
        self._characters = 0
        self._followers: set[Follower] = set()
        self._closed = False

    def append(self, replica: str, line: str) -> None:
        """The oldest lines make room; the newest one always stays."""
        self._lines.append((replica, line))
        self._characters += len(line)
        while len(self._lines) > 1 and self._too_much():
            _, oldest = self._lines.popleft()
            self._characters -= len(oldest)
        for follower in tuple(self._followers):
            follower.put((replica, line))

    def follow(self, follower: Follower) -> None:
        """From now on, until `leave` or `close`."""
        if self._closed:
            follower.close()
        else:
            self._followers.add(follower)

    def leave(self, follower: Follower) -> None:
        """Can be called again."""
        self._followers.discard(follower)

    def close(self) -> None:
        """The version is gone, and its replicas with it: nothing more comes."""
        self._closed = True
        while self._followers:
            self._followers.pop().close()

    def _too_much(self) -> bool:
        return len(self._lines) > self._most_lines or self._characters > self._most_characters

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Pairs of replica and line, oldest first, as they stood at the call."""
        return iter(tuple(self._lines))
