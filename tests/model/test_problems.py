"""How a problem reads."""

from __future__ import annotations

from router.errors import MaitreError
from router.model.problems import ConfigurationRefused, Problem, dotted, quoted, shown, value_at

DOCUMENT = {"spec": {"versions": [{"name": "blue"}, {"name": "not a name"}, 7, {"name": 5}]}}


def test_a_problem_reads_as_a_compiler_would_say_it() -> None:
    message = "120 is not allowed: a number from 0 to 100"
    problem = Problem("digits.yaml", 12, "spec.versions[0].trafficPercentile", "120", message)
    assert str(problem) == f"digits.yaml:12: spec.versions[0].trafficPercentile: {message}"
    assert str(Problem("digits.yaml", None, "", None, "cannot be read")) == "digits.yaml: cannot be read"


def test_a_refusal_carries_its_problems() -> None:
    problem = Problem("x", None, "a", None, "is wrong")
    refused = ConfigurationRefused([problem])
    assert isinstance(refused, MaitreError)
    assert refused.problems == (problem,)
    assert str(refused) == "x: a: is wrong"


def test_keys_are_dotted_with_index_and_name() -> None:
    assert dotted(("spec", "versions", 0, "name"), DOCUMENT) == "spec.versions[0](blue).name"
    assert [dotted(("spec", "versions", i), DOCUMENT)[13:] for i in range(1, 5)] == ["[1]", "[2]", "[3]", "[4]"]
    assert dotted(("a b", "c"), None) == '"a b".c'
    assert dotted((), DOCUMENT) == ""


def test_values_are_shown_as_json_and_cut() -> None:
    assert shown("1", ()) == '"1"'
    assert shown(True, ()) == "true"
    assert shown(None, ()) == "null"
    assert shown(1.5, ()) == "1.5"
    assert shown({"a": "secret"}, ()) == "a mapping"
    assert [shown(["x"] * count, ()) for count in range(3)] == ["an empty list", "a list of 1", "a list of 2"]
    assert len(shown("x" * 200, ()) or "") == 80
    assert len(shown(10**200, ()) or "") == 80


def test_nothing_shown_moves_the_cursor_of_a_terminal() -> None:
    assert quoted("\x1b[2J\x9b\u202e") == '"\\u001b[2J\\u009b\\u202e"'
    assert quoted("größer") == '"größer"'


def test_what_may_hold_a_secret_is_not_shown() -> None:
    assert shown("x", ("spec", "auth")) is None
    assert shown("x", ("spec", "auth", "token")) is None
    assert shown("x", ("spec", "versions", 0, "target", "command", 0)) is None
    assert shown("http://a:b@c", ("spec", "versions", 0, "target", "urls", 0)) is None
    assert shown("basic", ("spec", "auth", "mode")) == '"basic"'


def test_the_value_at_a_place() -> None:
    assert value_at(DOCUMENT, ("spec", "versions", 0, "name")) == "blue"
    assert value_at(DOCUMENT, ("spec", "versions", 9, "name")) is None
    assert value_at(DOCUMENT, ("spec", 0)) is None
