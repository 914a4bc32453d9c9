"""Messages as bytes: what is written is read, however it is cut; what is not exactly that is refused."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.coord import frames
from router.coord.frames import (
    MAX_FRAME,
    Goodbye,
    Heartbeat,
    Hello,
    Loads,
    MalformedFrame,
    Members,
    NotLeading,
    Renewed,
    Splitter,
    Welcome,
    bodies,
    framed,
    messages,
)
from router.core.leases import Bound, Demand, Lease, Recall

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
COUNT = st.integers(0, frames.LARGEST - 1)
GROUP = st.tuples(TEXT, TEXT)
ROW = st.lists(st.one_of(TEXT, COUNT, st.none()), max_size=4)
MESSAGE = st.one_of(
    st.builds(Lease, GROUP, TEXT, COUNT, COUNT),
    st.builds(Recall, GROUP, COUNT, COUNT, COUNT),
    st.builds(Bound, GROUP, TEXT, COUNT, COUNT),
    st.builds(Demand, GROUP, COUNT, COUNT),
    st.builds(Hello, st.booleans()),
    st.builds(Welcome, st.floats(0.001, 1e6)),
    st.builds(NotLeading, TEXT),
    st.builds(Members, COUNT, st.lists(TEXT, max_size=5).map(tuple)),
    st.builds(Heartbeat, COUNT, COUNT),
    st.builds(Renewed, COUNT),
    st.builds(Loads, st.lists(ROW, max_size=5)),
    st.just(Goodbye()),
)


@given(st.lists(MESSAGE, max_size=30))
def test_what_is_written_is_read(said):
    read = [message for body in bodies(said) for message in messages(body)]
    assert read == said
    assert [type(message) for message in read] == [type(message) for message in said]


@given(st.lists(st.binary(max_size=40), max_size=10), st.data())
def test_frames_are_whole_however_the_stream_is_cut(contents, data):
    stream = b"".join(map(framed, contents))
    splitter, got = Splitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += splitter.feed(stream[:size])
        stream = stream[size:]
    assert got == contents


def test_many_messages_are_several_bodies_and_each_fits_into_a_frame():
    said = [Bound((f"endpoint-{n}", "blue"), "r" * 1000, n, 1) for n in range(5000)]
    parts = list(bodies(said))
    assert len(parts) > 1
    assert all(len(part) <= frames.MAX_BODY for part in parts)
    assert [message for part in parts for message in messages(part)] == said


def test_a_message_that_fits_into_no_frame_is_the_senders_mistake():
    with pytest.raises(ValueError, match="Loads"):
        list(bodies([Loads(["x" * MAX_FRAME])]))


def test_a_length_that_is_not_allowed_is_refused_before_its_bytes_come():
    with pytest.raises(MalformedFrame, match="1048577 bytes"):
        list(Splitter().feed((MAX_FRAME + 1).to_bytes(4, "big")))
    assert list(Splitter().feed(MAX_FRAME.to_bytes(4, "big"))) == []


@pytest.mark.parametrize(
    "batch",
    [
        {},
        [1],
        [[]],
        [None],
        [["X"]],
        [[["L"]]],
        [["goodbye", 1]],
        [["K"]],
        [["K", -1]],
        [["K", 1.0]],
        [["K", True]],
        [["K", "1"]],
        [["K", 1 << 53]],
        [["hello", 1]],
        [["welcome", 0]],
        [["welcome", True]],
        [["L", ["e"], "r", 1, 1]],
        [["L", ["e", 1], "r", 1, 1]],
        [["L", "ev", "r", 1, 1]],
        [["L", ["e", "v"], None, 1, 1]],
        [["members", 1, "ab"]],
        [["members", 1, [1]]],
        [["loads", {}]],
    ],
)
def test_what_no_router_says_is_malformed(batch):
    with pytest.raises(MalformedFrame):
        messages(orjson.dumps(batch))


@given(
    st.one_of(st.binary(max_size=60), st.lists(st.one_of(ROW, st.lists(ROW, max_size=4)), max_size=3).map(orjson.dumps))
)
def test_nothing_but_malformed_frame_comes_of_nonsense(body):
    try:
        messages(body)
    except MalformedFrame:
        return
    assert body.startswith(b"[")
