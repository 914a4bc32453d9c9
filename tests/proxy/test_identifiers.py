"""Request ids are UUIDs and unlike each other; the trace contexts made of them are valid."""

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.tracecontext import valid_traceparent
from router.proxy.identifiers import RequestIds


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


def test_a_trace_context_is_made_of_the_request_id():
    source = ids()
    request_id = source.next()
    made = source.traceparent(request_id)
    version, trace, parent, flags = made.split(b"-")
    assert (version, trace, flags) == (b"00", request_id.replace(b"-", b""), b"01")
    assert len(parent) == 16
    assert int(parent, 16) != 0
    assert valid_traceparent(made) == made


def test_every_request_has_its_own_trace():
    source = ids()
    made = [source.traceparent(source.next()) for _ in range(1000)]
    assert len({line.split(b"-")[1] for line in made}) == len({line.split(b"-")[2] for line in made}) == 1000
