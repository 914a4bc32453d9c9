"""Request ids are UUIDs and unlike each other; trace contexts are kept where W3C Trace Context calls them valid."""

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.proxy.identifiers import RequestIds

VALID = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def ids(seed=1):
    return RequestIds(Random(seed).getrandbits)


@given(st.integers(0, 2**32))
def test_an_id_is_a_uuid_of_version_4(seed):
    text = ids(seed).next().decode()
    uuid = UUID(text)
    assert (str(uuid), uuid.version, uuid.variant) == (text, 4, "specified in RFC 4122")


@pytest.mark.parametrize("bits", [lambda _n: 0, lambda n: 2**n - 1], ids=["zeros", "ones"])
def test_the_smallest_and_largest_draws_give_uuids_too(bits):
    drawn = RequestIds(bits)
    for _ in range(3):
        assert UUID(drawn.next().decode()).version == 4


def test_ids_are_unlike_each_other():
    one, other = ids(1), ids(2)
    drawn = [source.next() for _ in range(50_000) for source in (one, other)]
    assert len(set(drawn)) == len(drawn)


def test_the_count_wraps_within_its_12_digits():
    source = RequestIds(lambda n: 2**n - 1)
    source._next = 2**48 - 2
    assert [source.next()[24:] for _ in range(3)] == [b"ffffffffffff", b"000000000000", b"000000000001"]


@pytest.mark.parametrize(
    "received",
    [
        VALID,
        VALID[:-2] + b"00",
        VALID[:-2] + b"ff",
        b"01" + VALID[2:],  # a later version, read as far as it is known
        b"cc" + VALID[2:] + b"-what-the-future-will-be-like",
        b"cc" + VALID[2:] + b"-",
        b"fe" + VALID[2:],
    ],
)
@pytest.mark.parametrize("white", [b"", b" \t"])
def test_a_valid_trace_context_is_kept(received, white):
    source = ids()
    assert source.traceparent(source.next(), received + white) == received


@pytest.mark.parametrize(
    "received",
    [
        None,
        b"",
        b"garbage",
        b"ff" + VALID[2:],  # the one version that is forbidden
        b"0" + VALID[2:],
        b"zz" + VALID[2:],
        VALID.upper(),
        VALID + b"-",  # version 00 is 55 characters and not one more
        VALID + b"-what-the-future-will-be-like",
        VALID + b".",
        b"cc" + VALID[2:] + b".what-the-future-will-be-like",
        b"00-" + b"0" * 32 + VALID[35:],  # no trace
        VALID[:36] + b"0" * 16 + VALID[52:],  # no parent
        VALID[:35] + VALID[36:],
        VALID[:-1],
        VALID + b"0",
        VALID[:-2] + b"0x",
        VALID.replace(b"4", b"g"),
        VALID.replace(b"-", b"_"),
        VALID + b", " + VALID,
        b" " + VALID,
    ],
)
def test_an_invalid_one_is_replaced(received):
    source = ids()
    request_id = source.next()
    made = source.traceparent(request_id, received)
    version, trace, parent, flags = made.split(b"-")
    assert (version, trace, flags) == (b"00", request_id.replace(b"-", b""), b"01")
    assert len(parent) == 16
    assert int(parent, 16) != 0
    assert source.traceparent(source.next(), made) == made  # what is made is valid


def test_every_request_has_its_own_trace():
    source = ids()
    made = [source.traceparent(source.next(), None) for _ in range(1000)]
    assert len({line.split(b"-")[1] for line in made}) == len({line.split(b"-")[2] for line in made}) == 1000
