"""YAML as data: scalars of the core schema, lines, and the bounds that keep a small text from becoming large data."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.model.documents import MAX_DEPTH, MAX_REPEATED, Fault, Mapping, Reader, Sequence, plain_scalar


def data(text: str) -> list[Any]:
    return [document for document, _ in Reader(text).documents()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("off", "off"),
        ("0", 0),
        ("-12", -12),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-02", "2024-01-02"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1e", "1e"),
        ("-.inf", -math.inf),
        (".", "."),
        ("-", "-"),
        ("nan", "nan"),
        ("9" * 101, float("9" * 101)),
        ("9" * 401, "9" * 401),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    found = plain_scalar(".NaN")
    assert isinstance(found, float)
    assert math.isnan(found)


def test_quoted_and_tagged_scalars_are_texts_and_keys_always_are() -> None:
    assert data("{1: '1', true: \"true\", ~: !!str 1, a: ! '2'}") == [{"1": "1", "true": "true", "~": "1", "a": "2"}]
    assert data("%YAML 1.1\n---\na: yes\n") == [{"a": "yes"}]
    assert data("a: |\n  1\n") == [{"a": "1\n"}]


def test_every_key_and_value_knows_its_line() -> None:
    ((document, line),) = Reader("---\n\na: 1\nb:\n  2\nc:\n  - x\n  - y: z\n").documents()
    assert line == 3
    assert isinstance(document, Mapping)
    assert document.lines == {"a": (3, 3), "b": (4, 5), "c": (6, 6)}
    assert isinstance(document["c"], Sequence)
    assert document["c"].lines == [7, 8]
    assert document["c"][1].line == 8


def test_documents_before_a_fault_are_handed_out() -> None:
    documents = Reader("a: 1\n---\nb: [\n").documents()
    assert next(documents) == ({"a": 1}, 1)
    with pytest.raises(Fault):
        next(documents)


def test_anchors_end_with_their_document() -> None:
    with pytest.raises(Fault, match="names nothing"):
        data("a: &x 1\n---\nb: *x\n")


def test_depth_is_bounded() -> None:
    assert data("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(Fault, match="at most 32 levels") as caught:
        data("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    assert caught.value.path == (0,) * MAX_DEPTH


def test_aliases_are_bounded_by_what_they_stand_for() -> None:
    """Ten levels of ten aliases are 300 characters and ten thousand million values."""
    levels = ["l0: &l0 [1,1,1,1,1,1,1,1,1]"]
    levels += [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 11)]
    with pytest.raises(Fault, match="may stand for at most 100000 values") as caught:
        data("\n".join(levels))
    assert caught.value.line == 5


def test_the_bound_counts_values() -> None:
    anchor = "[" + ",".join(["1"] * 99) + "]"  # a hundred values with the list itself
    uses = MAX_REPEATED // 100
    assert len(data(f"a: &a {anchor}\nb: [{','.join(['*a'] * uses)}]")[0]["b"]) == uses
    with pytest.raises(Fault):
        data(f"a: &a {anchor}\nb: [{','.join(['*a'] * (uses + 1))}]")


# What is not printable needs escapes, and those of JSON beyond 16 bits are not those of YAML.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
NUMBERS = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_is_read_as_a_json_parser_reads_it(value: object) -> None:
    assert data(json.dumps(value, ensure_ascii=False)) == [value]
    assert data(json.dumps(value, ensure_ascii=False, indent=2)) == [value]
