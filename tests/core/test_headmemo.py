"""A head is understood once, whatever is remembered follows from its bytes, and the memory has an end."""

from functools import partial

import pytest

from router.core.headmemo import MAX_BYTES, HeadMemo
from router.core.heads import parse_request
from router.errors import MalformedMessage


def head(path: str, *, padding: int = 0) -> bytes:
    filler = f"a: {'x' * padding}\r\n" if padding else ""
    return f"GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer secret\r\n{filler}\r\n".encode()


@pytest.fixture
def memo():
    return HeadMemo(partial(parse_request, max_fields=100), most=8)


def twice(memo, raw):
    memo.understand(raw, len(raw))
    return memo.understand(raw, len(raw))


def test_what_comes_again_is_remembered_and_what_came_once_is_not(memo):
    end = len(head("/a"))
    first = memo.understand(head("/a") + b"body", end)
    assert len(memo) == 0
    second = memo.understand(head("/a") + b"another body", end)
    assert len(memo) == 1
    assert second is not first
    assert memo.understand(head("/a"), end) is second
    assert twice(memo, head("/b")).target == b"/b"
    assert len(memo) == 2


def test_it_never_grows_beyond_its_bound(memo):
    for number in range(100):
        assert twice(memo, head(f"/{number}")).target == b"/%d" % number
        assert len(memo) <= 8
        assert len(memo._seen) <= 8


def test_large_heads_are_not_remembered(memo):
    raw = head("/", padding=MAX_BYTES)
    for _ in range(3):
        assert twice(memo, raw).target == b"/"
    assert len(memo) == 0


def test_refused_heads_are_refused_every_time(memo):
    raw = b"GET / HTTP/1.1\r\nno host\r\n\r\n"
    for _ in range(3):
        with pytest.raises(MalformedMessage):
            memo.understand(raw, len(raw))
    assert len(memo) == 0


def test_no_credential_stays_in_memory(memo):
    raw = head("/")
    understood = twice(memo, raw)
    assert len(memo) == 1
    attributes = [getattr(understood, name) for name in dir(understood) if not name.startswith("__")]
    everything = [value for value in attributes if isinstance(value, bytes)]
    assert understood.target in everything
    everything += [*understood.fields.values(), *memo._heads]
    assert not any(b"secret" in value for value in everything)
