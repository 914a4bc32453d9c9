"""What routers say to each other on the coordination port, as bytes: messages, bodies, frames.

A frame is a length (4 bytes, big-endian) and so many bytes, at most MAX_FRAME. The first ones are the handshake's
(`router.coord.handshake`); then each is a seal and a body. A body is JSON: a list of messages, each a list of its
letter and its fields in order. What is not exactly that is malformed, and ends the connection: nothing is guessed,
skipped or repaired. Versions of the protocol are told apart in the handshake, so here there is one.

Pure. Called by `router.coord.link`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from router.core.leases import Bound, Demand, Group, Lease, Recall
from router.errors import MaitreError

MAX_FRAME: Final = 1 << 20
"""Bytes, the length itself not counted."""

MAX_BODY: Final = MAX_FRAME - 64
"""Bytes of a body: there is a seal beside it."""

LARGEST: Final = 1 << 53
"""Numbers are below it, so that every reader of JSON reads them alike."""

_LENGTH_BYTES: Final = 4


class MalformedFrame(MaitreError):
    """The peer sent what no router of this version sends."""


class Hello(NamedTuple):
    """First word of a router that wants to be a member. Who it is was proven in the handshake."""

    alone: bool
    """It vouches that no earlier process of its pod's name runs any more, nor anything such a one had started."""


class Welcome(NamedTuple):
    """The answer of a router that leads. Next come the member's bounds and, after all of them, its first heartbeat."""

    term_s: float
    """How long after a heartbeat that was answered was sent a member may use what it is leased."""


class NotLeading(NamedTuple):
    """The answer of one that does not, before it closes."""

    leader: str
    """The address of the one that does, as far as is known; empty: not known."""


class Members(NamedTuple):
    """The routers that the coordinator reckons with, the cut off ones among them; replaces what was said before."""

    number: int
    routers: tuple[str, ...]


class Heartbeat(NamedTuple):
    """From a member. The first one says that all of its bounds have been said."""

    number: int
    members: int
    """The number of the newest `Members` that it has taken over."""


class Renewed(NamedTuple):
    """The heartbeat of that number was read: the member's term begins when it was sent."""

    number: int


class Loads(NamedTuple):
    """What a member's versions are burdened with, as far as it has changed: rows of endpoint, version, and numbers that
    only sender and reader understand; a row without numbers: there is no such version there any more."""

    rows: list[Any]


class Goodbye(NamedTuple):
    """From a member: nothing uses slots here any more. From a coordinator: it grants nothing more, and has said all."""


Message = (
    Lease | Recall | Bound | Demand | Hello | Welcome | NotLeading | Members | Heartbeat | Renewed | Loads | Goodbye
)


def bodies(messages: Iterable[Message]) -> Iterator[bytes]:
    """The messages as bodies, in order; each fits into a frame. Raises ValueError for a message that fits into none."""
    batch: list[bytes] = []
    size = 1
    for message in messages:
        text = orjson.dumps([_LETTERS[type(message)], *message])
        if len(text) + 2 > MAX_BODY:
            raise ValueError(f"a {type(message).__name__} of {len(text)} bytes")
        if size + len(text) + 1 > MAX_BODY:
            yield _listed(batch)
            batch, size = [], 1
        batch.append(text)
        size += len(text) + 1  # the comma, or the closing bracket
    if batch:
        yield _listed(batch)


def _listed(texts: list[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def messages(body: bytes) -> list[Message]:
    """What a body says. Raises MalformedFrame."""
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedFrame("a body is not JSON") from error
    return [_message(item) for item in _list(batch)]


class Splitter:
    """Cuts a stream of bytes into frames. Raises MalformedFrame as soon as a length is seen that is not allowed."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The contents of the frames that are whole now."""
        self._unread += data
        while len(self._unread) >= _LENGTH_BYTES:
            length = int.from_bytes(self._unread[:_LENGTH_BYTES], "big")
            if length > MAX_FRAME:
                raise MalformedFrame(f"a frame of {length} bytes; {MAX_FRAME} are allowed")
            end = _LENGTH_BYTES + length
            if len(self._unread) < end:
                return
            content = bytes(self._unread[_LENGTH_BYTES:end])
            del self._unread[:end]
            yield content


def framed(content: bytes) -> bytes:
    if len(content) > MAX_FRAME:
        raise ValueError(f"a frame of {len(content)} bytes")
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


# -- reading, strictly ----------------------------------------------------------------------------------------------


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedFrame("a list is missing")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedFrame("a text is missing")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < LARGEST:
        raise MalformedFrame("a number is missing, or out of range")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise MalformedFrame("true or false is missing")
    return value


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 0 < value < LARGEST:  # type: ignore[operator]
        raise MalformedFrame("a duration is missing, or out of range")
    return float(value)  # type: ignore[arg-type]


def _group(value: object) -> Group:
    endpoint, version = _fields(value, 2)
    return _text(endpoint), _text(version)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _fields(value: object, count: int) -> list[Any]:
    fields = _list(value)
    if len(fields) != count:
        raise MalformedFrame(f"{len(fields)} fields in the place of {count}")
    return fields


_Reader = Callable[[object], Any]
_FORMS: Final[dict[str, tuple[Callable[..., Message], tuple[_Reader, ...]]]] = {
    "L": (Lease, (_group, _text, _count, _count)),
    "R": (Recall, (_group, _count, _count, _count)),
    "B": (Bound, (_group, _text, _count, _count)),
    "D": (Demand, (_group, _count, _count)),
    "hello": (Hello, (_flag,)),
    "welcome": (Welcome, (_seconds,)),
    "not leading": (NotLeading, (_text,)),
    "members": (Members, (_count, _texts)),
    "H": (Heartbeat, (_count, _count)),
    "K": (Renewed, (_count,)),
    "loads": (Loads, (_list,)),
    "goodbye": (Goodbye, ()),
}
_LETTERS: Final = {form: letter for letter, (form, _) in _FORMS.items()}


def _message(item: object) -> Message:
    letter, *fields = _list(item) or [None]
    form = _FORMS.get(letter) if isinstance(letter, str) else None
    if form is None:
        raise MalformedFrame("a message of an unknown kind")
    make, readers = form
    return make(*(read(field) for read, field in zip(readers, _fields(fields, len(readers)), strict=True)))
