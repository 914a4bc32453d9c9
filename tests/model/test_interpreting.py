"""Documents that are data already: the same judgement as for files, without lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.model.interpreting import endpoint_from, interpret
from router.model.problems import ConfigurationRefused


def document(**spec: Any) -> dict[str, Any]:
    versions = [{"name": "blue", "target": {"urls": ["http://127.0.0.1:5001"]}}]
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": "digits"},
        "spec": {"versions": versions, **spec},
    }


def test_what_is_right_becomes_an_endpoint() -> None:
    interpreted = interpret(document(), "POST /api/v1/endpoints")
    assert interpreted.problems == ()
    assert interpreted.endpoint is not None
    assert endpoint_from(document(), "POST") == interpreted.endpoint


def test_what_is_wrong_is_refused_with_every_problem() -> None:
    with pytest.raises(ConfigurationRefused) as caught:
        endpoint_from(document(serverTiming="on", hosts=["A"]), "PUT digits")
    assert str(caught.value) == (
        'PUT digits: spec.hosts[0]: "A" is not allowed: a host name in lower case, without scheme, port, path and '
        'wildcard; PUT digits: spec.serverTiming: "on" is not allowed: true or false'
    )
    assert [problem.line for problem in caught.value.problems] == [None, None]


def test_attribute_names_are_not_keys() -> None:
    (problem,) = interpret(document(server_timing=True), "x").problems
    assert problem.message == "unknown key 'server_timing'; did you mean 'serverTiming'?"


@pytest.mark.parametrize("exclude_unset", [True, False])
def test_what_the_api_shows_can_be_sent_back(*, exclude_unset: bool) -> None:
    endpoint = endpoint_from(document(), "x")
    shown = json.loads(endpoint.model_dump_json(by_alias=True, exclude_unset=exclude_unset))
    if exclude_unset:
        assert shown == document()
    shown.update(apiVersion=endpoint.api_version, kind=endpoint.kind)
    assert endpoint_from(shown, "x") == endpoint


@pytest.mark.parametrize("nothing", [None, 1, "x", [], [1], {}, {"kind": None}, {1: 2}, {"spec": {"versions": ()}}])
def test_anything_else_is_a_problem_and_no_exception(nothing: object) -> None:
    interpreted = interpret(nothing, "x")
    assert interpreted.endpoint is None
    assert len(interpreted.problems) == 1


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    *[("metadata",), ("metadata", "name"), ("metadata", "labels"), ("spec",)],
    *[("spec", key) for key in ("auth", "hosts", "cors", "sticky", "serverTiming", "versions")],
    *[
        ("spec", "versions", 0, key)
        for key in ("name", "trafficPercentile", "type", "target", "scoringPath", "maxQueueWaitMs", "autoscale")
    ],
    ("spec", "versions", 0, "target", "urls"),
]


@given(st.sampled_from(PLACES), ANYTHING)
def test_any_value_at_any_place_is_right_or_told_in_our_words(path: tuple[str | int, ...], value: object) -> None:
    whole = document()
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    interpreted = interpret(whole, "x")
    assert (interpreted.endpoint is None) is bool(interpreted.problems)
    for problem in interpreted.problems:
        assert "Input should" not in problem.message
        assert not problem.message.endswith(": ")
        assert problem.key.startswith(("metadata", "spec"))
