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


def test_the_same_bytes_give_the_same_head_and_others_another(memo):
    first = memo.understand(head("/a") + b"body", len(head("/a")))
    assert memo.understand(head("/a") + b"another body", len(head("/a"))) is first
    assert memo.understand(head("/b"), len(head("/b"))).target == b"/b"
    assert len(memo) == 2


def test_it_never_grows_beyond_its_bound(memo):
    for number in range(100):
        raw = head(f"/{number}")
        assert memo.understand(raw, len(raw)).target == b"/%d" % number
        assert len(memo) <= 8


def test_large_heads_are_not_remembered(memo):
    raw = head("/", padding=MAX_BYTES)
    assert memo.understand(raw, len(raw)).target == b"/"
    assert len(memo) == 0


def test_refused_heads_are_refused_every_time(memo):
    raw = b"GET / HTTP/1.1\r\nno host\r\n\r\n"
    for _ in range(2):
        with pytest.raises(MalformedMessage):
            memo.understand(raw, len(raw))
    assert len(memo) == 0


def test_no_credential_stays_in_memory(memo):
    raw = head("/")
    understood = memo.understand(raw, len(raw))
    everything = [value for name in understood.__slots__ if isinstance(value := getattr(understood, name), bytes)]
    everything += [*understood.fields.values(), *memo._heads]
    assert not any(b"secret" in value for value in everything)
