"""The loads: their names, and which ones there are."""

from __future__ import annotations

import pytest

from bench.shapes import FULL, MATRIX, SHAPES, STEADY, named
from bench.work import ANSWER, LARGE, LARGE_ANSWER, MOST_CONNECTIONS, SMALL, answer_to


def test_small_and_large_bodies_over_few_and_many_connections() -> None:
    assert [(shape.connections, shape.body_bytes) for shape in MATRIX] == [
        (1, 60),
        (32, 60),
        (256, 60),
        (1, 10_240),
        (32, 10_240),
        (256, 10_240),
    ]
    assert max(shape.connections for shape in SHAPES) == MOST_CONNECTIONS
    assert (FULL.name, FULL.pause_ms) == ("32x60B", 0)


def test_names_choose_in_the_order_of_the_table() -> None:
    assert named(["32x60B", "steady"]) == (STEADY, FULL)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no shape 33x60B; there are steady, 1x60B"):
        named(["33x60B"])


def test_a_shape_says_what_it_is() -> None:
    assert str(MATRIX[3]) == "1 connection, 10,240 bytes both ways"
    assert str(STEADY) == "32 connections, 60 bytes both ways, each resting 6 ms before a request in the mean"


def test_answers_are_of_the_size_of_requests() -> None:
    assert len(answer_to(SMALL)) == len(ANSWER) == SMALL
    assert len(answer_to(LARGE - 12)) == len(LARGE_ANSWER) == LARGE
