"""What becomes of each thing that pydantic's JSON schema says and a structural schema cannot."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from router.model.fields import Hosts, Name
from router.model.spec import Schema
from router.model.structural import structural_schema


class Inner(Schema):
    """Of the type."""

    count: int = 1


class Outer(Schema):
    name: Name
    inner: Inner = Inner()
    """Of the place,
    on two lines."""
    plain: Inner | None = None
    hosts: Hosts = ()
    seconds: float = 60.0
    part: float = 0.5
    mode: Literal["a", "b"] = "a"
    texts: dict[str, str] = Field({}, max_length=3)


PROPERTIES: dict[str, Any] = structural_schema(Outer)["properties"]
COUNT = {"count": {"type": "integer", "default": 1}}


def test_a_mapping_has_one_type_for_its_values() -> None:
    assert PROPERTIES["texts"] == {
        "type": "object",
        "default": {},
        "maxProperties": 3,
        "additionalProperties": {"type": "string"},
    }


def test_references_are_followed_and_the_place_describes_itself_first() -> None:
    assert PROPERTIES["inner"] == {
        "type": "object",
        "description": "Of the place, on two lines.",
        "default": {},
        "properties": COUNT,
    }


def test_what_may_be_null_is_what_may_be_absent() -> None:
    assert PROPERTIES["plain"] == {"type": "object", "description": "Of the type.", "properties": COUNT}


def test_lists_without_repetition_are_sets() -> None:
    assert PROPERTIES["hosts"]["x-kubernetes-list-type"] == "set"
    assert "uniqueItems" not in PROPERTIES["hosts"]
    assert PROPERTIES["hosts"]["default"] == []


def test_limits_and_patterns_are_kept() -> None:
    name = {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "minLength": 3, "maxLength": 32}
    assert PROPERTIES["name"] == name
    assert PROPERTIES["mode"] == {"type": "string", "enum": ["a", "b"], "default": "a"}


def test_whole_numbers_are_written_as_the_api_server_returns_them() -> None:
    assert repr(PROPERTIES["seconds"]["default"]) == "60"
    assert repr(PROPERTIES["part"]["default"]) == "0.5"


@pytest.mark.parametrize("hint", [int | str, Any])
def test_a_place_of_two_types_or_none_is_no_place(hint: Any) -> None:
    model = type("Either", (Schema,), {"__annotations__": {"value": hint}, "__module__": __name__})
    with pytest.raises(ValueError, match=r"one type|too many values"):
        structural_schema(model)
