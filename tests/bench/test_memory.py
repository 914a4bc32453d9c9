"""Memory, out of /proc."""

from __future__ import annotations

import mmap
import os

import pytest

from bench.memory import Memory, memory, parse

ROLLUP = """55d0-7ffd ---p 00000000 00:00 0                          [rollup]
Rss:                2000 kB
Pss:                1500 kB
Pss_Dirty:           900 kB
Shared_Clean:        800 kB
Shared_Dirty:        100 kB
Private_Clean:       300 kB
Private_Dirty:       800 kB
"""


def test_the_three_ways_to_count() -> None:
    assert parse(ROLLUP) == Memory(rss=2000 * 1024, pss=1500 * 1024, uss=1100 * 1024)


def test_another_text_is_an_error() -> None:
    with pytest.raises(KeyError):
        parse("VmRSS:      100 kB\n")


def test_memory_adds_up_and_grows() -> None:
    assert Memory(3, 2, 1) + Memory(30, 20, 10) == Memory(33, 22, 11)
    assert Memory(33, 22, 11) - Memory(3, 2, 1) == Memory(30, 20, 10)


def test_what_a_process_takes_is_seen() -> None:
    before = memory(os.getpid())
    with mmap.mmap(-1, 8 * 2**20) as taken:  # what an allocator gives may have been there before
        for _ in range(len(taken) // mmap.PAGESIZE):  # no large value in between, which the allocator may keep
            taken.write(b"x" * mmap.PAGESIZE)
        grown = memory(os.getpid()) - before
        assert len(taken) * 0.9 < grown.uss < len(taken) * 1.5
    assert memory(os.getpid()).rss >= memory(os.getpid()).pss >= memory(os.getpid()).uss
