"""The arithmetic, against the documented example and against fractions."""

from fractions import Fraction
from math import ceil, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import AutoscalerError, OutOfRange
from autoscaler.sizing import replicas_for, replicas_needed

SLOTS = st.integers(1, 1000)
PERCENT = st.integers(1, 100)


@pytest.mark.parametrize(
    ("demand", "slots", "target", "replicas"),
    [
        (0, 1, 70, 0),
        (0.0, 1, 70, 0),
        (1e-6, 1, 70, 1),
        (0.7, 1, 70, 1),  # seven tenths exactly, not the float a little below or above
        (1, 1, 70, 2),
        (1, 1, 100, 1),
        (2.1, 1, 70, 3),
        (7, 1, 70, 10),
        (14, 1, 70, 20),  # 14 / 0.7 is 20.000000000000004 in floats
        (14.0, 1, 70, 20),
        (15, 1, 70, 22),
        (14, 4, 70, 5),
        (28, 4, 70, 10),
        (29, 4, 70, 11),
        (1, 1000, 1, 1),
        (200, 1, 70, 286),
    ],
)
def test_replicas_for(demand, slots, target, replicas):
    assert replicas_for(demand, slots, target) == replicas


@given(st.integers(0, 10**9), SLOTS, PERCENT)
def test_whole_demand_is_exact(demand, slots, target):
    assert replicas_for(demand, slots, target) == ceil(Fraction(demand) / (slots * Fraction(target, 100)))


@given(st.decimals(0, 10**6, places=6), SLOTS, PERCENT)
def test_a_decimal_is_exact_though_it_comes_as_a_float(demand, slots, target):
    assert replicas_for(float(demand), slots, target) == ceil(Fraction(demand) / (slots * Fraction(target, 100)))


@given(st.floats(0, 1e6), SLOTS, PERCENT)
def test_the_size_holds_the_demand_and_one_less_would_not(demand, slots, target):
    replicas = replicas_for(demand, slots, target)
    room = slots * Fraction(target, 100)
    assert (replicas - 1) * room < Fraction(repr(demand)) <= replicas * room or demand == replicas == 0


def test_the_documented_example():
    assert replicas_needed(rps=20, seconds=10, concurrency=1, utilization=70) == 286


@pytest.mark.parametrize(
    ("rps", "seconds", "concurrency", "utilization", "replicas"),
    [
        (0, 10, 1, 70, 0),
        (20, 10, 2, 70, 143),
        (20, 10, 1, 100, 200),
        (0.1, 30, 1, 100, 3),  # 0.1 × 30 is 3.0000000000000002 if the float is taken literally
        (1, 0.001, 1, 70, 1),
        (5000, 0.003, 1, 70, 22),
    ],
)
def test_replicas_needed(rps, seconds, concurrency, utilization, replicas):
    assert replicas_needed(rps, seconds, concurrency, utilization) == replicas


@given(st.integers(0, 10**5), st.integers(1, 10**4), SLOTS, PERCENT)
def test_both_formulas_agree(rps, seconds, slots, target):
    assert replicas_needed(rps, seconds, slots, target) == replicas_for(rps * seconds, slots, target)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((-1, 10, 1, 70), "rps is -1, but must be a finite number of requests per second, 0 or more."),
        ((nan, 10, 1, 70), "rps is nan, but must be a finite number of requests per second, 0 or more."),
        ((inf, 10, 1, 70), "rps is inf, but must be a finite number of requests per second, 0 or more."),
        ((1, 0, 1, 70), "seconds is 0, but must be a finite number of seconds above 0."),
        ((1, nan, 1, 70), "seconds is nan, but must be a finite number of seconds above 0."),
        ((1, 1, 0, 70), "concurrency is 0, but must be a whole number, 1 or more."),
        ((1, 1, 1.5, 70), "concurrency is 1.5, but must be a whole number, 1 or more."),
        ((1, 1, True, 70), "concurrency is True, but must be a whole number, 1 or more."),
        ((1, 1, 1, 0), "utilization is 0, but must be a whole number from 1 to 100."),
        ((1, 1, 1, 101), "utilization is 101, but must be a whole number from 1 to 100."),
    ],
)
def test_nonsense_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(OutOfRange) as refusal:
        replicas_needed(*arguments)
    assert str(refusal.value) == sentence
    assert isinstance(refusal.value, (AutoscalerError, ValueError))


@pytest.mark.parametrize("arguments", [(-1, 1, 70), (nan, 1, 70), (1, 0, 70), (1, 1, 0), (1, 1, 101)])
def test_no_size_for_what_is_no_demand_or_no_replica(arguments):
    with pytest.raises(OutOfRange):
        replicas_for(*arguments)
