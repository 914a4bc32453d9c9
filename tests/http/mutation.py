"""Messages that are nearly right: valid ones, edited a few times by somebody who has read about request smuggling.

Everything is drawn from the `random.Random` that is passed in, so a seed is a case. Shared by the property tests
(`test_fuzz`) and by the long run (`fuzz`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Final

from tests.http.seeds import ANSWERS, CHUNK_LINES, LINES, REQUESTS, TARGETS, TELLING

_LINE: Final = rb"(?<=\n)[^\r\n:]++:[^\r\n]*+\r\n"
Edit = Callable[[Random, bytes], bytes]


def requests(random: Random) -> bytes:
    """What a client sends: up to four requests, one behind the other."""
    return _edited(random, b"".join(random.choices(REQUESTS, k=random.choice((1, 1, 2, 3, 4)))))


def answer(random: Random) -> bytes:
    """What a model says to one request; sometimes more than it was asked."""
    said = random.choice(ANSWERS)
    if random.random() < 0.1:
        said += random.choice(ANSWERS)
    return _edited(random, said)


def segments(random: Random, data: bytes) -> list[bytes]:
    """`data` as it may arrive: cut at random places, byte by byte, or at its line ends."""
    way = random.random()
    if way < 0.1:
        places = range(1, len(data)) if len(data) < 300 else range(1, len(data), 7)
    elif way < 0.3:
        places = [match.start() + random.randrange(4) for match in re.finditer(rb"\r\n", data)]
    else:
        places = [random.randrange(len(data) + 1) for _ in range(random.randrange(1, 6))]
    edges = sorted({0, len(data), *(place for place in places if place < len(data))})
    return [data[start:end] for start, end in pairwise(edges)]


def _edited(random: Random, data: bytes) -> bytes:
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        data = random.choices(EDITS, WEIGHTS)[0](random, data)
    return data


# -- edits -------------------------------------------------------------------------------------------------------------


def _flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _insert(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(TELLING) + data[at + random.randrange(2) :]


def _white_space(random: Random, data: bytes) -> bytes:
    places = [match.end() - random.randrange(2) for match in re.finditer(rb"[ :,;\n]", data)] or [0]
    at = random.choice(places)
    return data[:at] + random.choice((b" ", b"\t", b"  ", b"\x0b", b"\r")) + data[at:]


def _delete(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 1, 2, 4, 16)) :]


def _truncate(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _double_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = random.randrange(len(lines))
    lines.insert(random.randrange(len(lines) + 1), lines[at])
    return b"\r\n".join(lines)


def _swap_lines(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


def _add_line(random: Random, data: bytes) -> bytes:
    return _at_line(random, data, _LINE, random.choice(LINES) + b"\r\n", keep=True)


def _change_line(random: Random, data: bytes) -> bytes:
    return _at_line(random, data, _LINE, random.choice(LINES) + b"\r\n", keep=False)


def _change_chunk_line(random: Random, data: bytes) -> bytes:
    return _at_line(
        random, data, rb"(?<=\r\n)[0-9A-Fa-f]+(?:;[^\r\n]*)?\r\n", random.choice(CHUNK_LINES) + b"\r\n", keep=False
    )


def _change_target(random: Random, data: bytes) -> bytes:
    return _at_line(random, data, rb"(?<= )[^ \r\n]+(?= HTTP/)", random.choice(TARGETS), keep=False)


def _change_start(random: Random, data: bytes) -> bytes:
    starts = (b"CONNECT", b"OPTIONS", b"HEAD", b"GET", b"get", b"PRI", b"HTTP/1.1", b"")
    return _at_line(random, data, rb"(?:GET|POST|PUT|HEAD)(?= )", random.choice(starts), keep=False)


def _change_version(random: Random, data: bytes) -> bytes:
    versions = (
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"HTTP/1.2",
        b"HTTP/2.0",
        b"http/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.10",
        b"HTTP/0.9",
    )
    return _at_line(random, data, rb"HTTP/1\.[01]", random.choice(versions), keep=False)


def _change_status(random: Random, data: bytes) -> bytes:
    codes = (
        b"100",
        b"101",
        b"103",
        b"199",
        b"200",
        b"204",
        b"205",
        b"304",
        b"500",
        b"599",
        b"999",
        b"099",
        b"1000",
        b"20",
    )
    return _at_line(random, data, rb"(?<=HTTP/1.. )[0-9]{3}", random.choice(codes), keep=False)


def _change_case(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = random.randrange(len(lines))
    lines[at] = random.choice((bytes.upper, bytes.lower, bytes.swapcase))(lines[at])
    return b"\r\n".join(lines)


def _join(random: Random, data: bytes) -> bytes:
    """Another valid message in the middle, as if its beginning were a body or a field."""
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(REQUESTS) + data[at:]


def _lengthen(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(TELLING) * random.choice((10, 200, 5000)) + data[at:]


def _at_line(random: Random, data: bytes, pattern: bytes, replacement: bytes, *, keep: bool) -> bytes:
    """Puts `replacement` before one of the matches, or in its place."""
    matches = list(re.finditer(pattern, data))
    if not matches:
        return data
    match = random.choice(matches)
    return data[: match.start()] + replacement + data[match.start() if keep else match.end() :]


_WEIGHTED: Final[dict[Edit, float]] = {
    _flip: 2,
    _insert: 3,
    _white_space: 2,
    _delete: 1,
    _truncate: 0.7,
    _double_line: 1,
    _swap_lines: 1,
    _add_line: 5,
    _change_line: 3,
    _change_chunk_line: 2,
    _change_target: 2,
    _change_start: 0.7,
    _change_version: 0.7,
    _change_status: 1,
    _change_case: 1,
    _join: 0.5,
    _lengthen: 0.1,
}
EDITS: Final = list(_WEIGHTED)
WEIGHTS: Final = list(_WEIGHTED.values())
