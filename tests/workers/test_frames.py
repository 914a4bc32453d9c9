"""Frames in any division; garbage of every kind ends in one error."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.leases import Bound, Lease
from router.workers.frames import LENGTH, LONGEST, Frames, MalformedFrame, framed
from router.workers.messages import Drain, Heartbeat

MESSAGES = st.lists(
    st.one_of(
        st.none(),
        st.just(Heartbeat()),
        st.builds(Drain, st.floats(0, 100)),
        st.builds(Lease, st.tuples(st.text(), st.text()), st.text(), st.integers(), st.integers()),
        st.builds(Bound, st.tuples(st.text(), st.text()), st.text(), st.integers(), st.integers()),
        st.binary(max_size=2000),
    ),
    max_size=10,
)


def taken(frames: Frames) -> list[object]:
    messages = []
    while (message := frames.next()) is not None:
        messages.append(message[0])
    return messages


@given(MESSAGES, st.data())
def test_any_division_gives_the_same_messages(messages, data):
    stream = b"".join(map(framed, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    frames, came = Frames(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames.feed(stream[start:end])
        came += taken(frames)
    assert came == messages
    assert [type(message) for message in came] == [type(message) for message in messages]


@given(MESSAGES, st.data())
def test_of_a_cut_stream_what_is_complete_comes(messages, data):
    sizes = [len(framed(message)) for message in messages]
    cut = data.draw(st.integers(0, sum(sizes)))
    frames = Frames()
    frames.feed(b"".join(map(framed, messages))[:cut])
    complete = sum(sum(sizes[: count + 1]) <= cut for count in range(len(sizes)))
    assert taken(frames) == messages[:complete]


@given(st.binary(max_size=300))
def test_a_body_that_is_no_pickle_is_refused(rest):
    frames = Frames()
    frames.feed(LENGTH.pack(len(rest) + 1) + b"\xff" + rest)
    with pytest.raises(MalformedFrame, match="cannot be unpickled"):
        frames.next()


@given(MESSAGES.filter(bool), st.data())
def test_a_body_that_lacks_its_end_is_refused(messages, data):
    body = pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
    cut = data.draw(st.integers(0, len(body) - 1))
    frames = Frames()
    frames.feed(LENGTH.pack(cut) + body[:cut])
    with pytest.raises(MalformedFrame, match="cannot be unpickled"):
        frames.next()


@given(st.integers(LONGEST + 1, 2**32 - 1))
def test_a_length_that_no_message_has_is_refused_before_its_body_comes(length):
    frames = Frames()
    frames.feed(framed("before") + LENGTH.pack(length))
    assert frames.next() == ("before",)
    with pytest.raises(MalformedFrame, match=f"{length} bytes"):
        frames.next()


def test_a_class_that_the_other_side_lacks_is_refused():
    body = pickle.dumps(Drain(1.0)).replace(b"Drain", b"Drown")
    frames = Frames()
    frames.feed(LENGTH.pack(len(body)) + body)
    with pytest.raises(MalformedFrame, match="Drown"):
        frames.next()
