import asyncio
import os

from hypothesis import given
from hypothesis import strategies as st

from router.discovery.output import LineCutter, OutputPipe, RecentLines


def cut(*chunks: bytes, limit: int = 8) -> list[str]:
    cutter = LineCutter(limit)
    return [line for chunk in chunks for line in cutter.feed(chunk)] + list(cutter.rest())


def test_lines_are_joined_over_chunks_and_lose_their_ends():
    assert cut(b"one\ntw", b"o\r\n", b"\nlast") == ["one", "two", "", "last"]


def test_a_long_line_is_cut():
    assert cut(b"123456789abcdefghi\n") == ["12345678", "9abcdefg", "hi"]


def test_what_has_no_end_does_not_pile_up():
    cutter = LineCutter(limit=8)
    assert list(cutter.feed(b"x" * 20)) == ["x" * 8, "x" * 8]


def test_bytes_that_are_no_text_are_replaced():
    assert cut(b"a\xffb\n") == ["a\N{REPLACEMENT CHARACTER}b"]


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"a", b"\n"))))
def test_chunks_make_no_difference(chunks):
    assert cut(*chunks) == cut(b"".join(chunks))


async def test_closing_a_pipe_takes_what_is_in_it_and_does_not_wait_for_its_end():
    reading, writing = os.pipe()
    lines: list[str] = []
    pipe = OutputPipe(os.fdopen(reading, "rb", buffering=0), lines.append)
    os.write(writing, b"one\ntwo")
    pipe.close()
    assert lines == ["one", "two"]
    os.close(writing)


async def test_a_pipe_is_read_until_its_end():
    reading, writing = os.pipe()
    seen = asyncio.Event()
    pipe = OutputPipe(os.fdopen(reading, "rb", buffering=0), lambda line: seen.set())
    os.write(writing, b"one\n")
    await asyncio.wait_for(seen.wait(), 5)
    os.close(writing)
    pipe.close()


def test_recent_lines_are_bounded_in_number_and_size():
    recent = RecentLines(lines=3, characters=10)
    for line in ("a", "b", "c", "d"):
        recent.append("1", line)
    assert list(recent) == [("1", "b"), ("1", "c"), ("1", "d")]
    recent.append("2", "123456789")
    assert list(recent) == [("1", "d"), ("2", "123456789")]
    recent.append("2", "x" * 99)
    assert list(recent) == [("2", "x" * 99)]
