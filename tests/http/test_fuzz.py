"""Nearly valid messages, thousands of them: the router reads them as h11 does, or refuses them.

The same mutations, judged in the same way, as in the long run (`make fuzz`); here hypothesis draws, and shrinks what it
finds. The same cases every time (the profile is derandomized).
"""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http import fuzz, judging_requests, mutation
from tests.http.in_memory import MemoryHouse
from tests.http.judging_answers import of_answer
from tests.http.judging_requests import of_requests
from tests.http.reading import read_requests
from tests.http.verdict import Disagreement

MANY = settings(max_examples=1500)
drawn = st.randoms(use_true_random=False)


@MANY
@given(drawn)
def test_what_clients_send(random: Random):
    judge(fuzz.draw(random, answer=False))


@MANY
@given(drawn)
def test_what_models_say(random: Random):
    judge(fuzz.draw(random, answer=True))


def judge(case: fuzz.Case):
    try:
        case.judge(MemoryHouse())
    except Disagreement:
        if not case.excused:
            raise


def test_the_long_run_in_short():
    figures, story = fuzz.run(seed=1, first=0, cases=2000)
    assert story == ""
    assert figures.cases == 2000
    assert figures.forwarded > 500  # or it would show little
    assert figures.refused > 500


def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch):
    """The router sees two requests; h11, asked about other bytes, one with a body."""
    data = b"POST /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" * 2
    assert of_requests(MemoryHouse(), data, [data], False).forwarded == 2
    other = data.replace(b"Length: 0", b"Length: 9", 1)
    monkeypatch.setattr(judging_requests, "read_requests", lambda _data: read_requests(other))
    with pytest.raises(Disagreement, match="instead of"):
        of_requests(MemoryHouse(), data, [data], False)


def test_a_difference_between_one_piece_and_many_is_seen():
    data = b"GET /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\n\r\n"
    with pytest.raises(Disagreement, match="in pieces"):
        of_requests(MemoryHouse(), data, [data.replace(b"score", b"other")], False)


def test_a_difference_in_an_answer_is_seen():
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert of_answer(MemoryHouse(), "GET", data, [data], False).forwarded == 1
    with pytest.raises(Disagreement, match="the client gets"):
        of_answer(MemoryHouse(), "GET", data, [data.replace(b"hello", b"jello")], False)


def test_pieces_are_the_whole():
    random = Random(1)
    for _ in range(200):
        data = mutation.requests(random)
        assert b"".join(mutation.segments(random, data)) == data


def test_a_seed_is_a_case():
    assert [mutation.requests(Random(7)), mutation.answer(Random(7))] == [
        mutation.requests(Random(7)), mutation.answer(Random(7))
    ]  # fmt: skip
