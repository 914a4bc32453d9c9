"""What changed changes; everything else is the same text as before."""

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from router.model.documents import Reader
from router.store.yaml_edits import Unwritable, edited, same, written

BLOCK = """\
# endpoints of the team
apiVersion: x   # the schema
kind: 'y'
spec:
    auth: {mode: none}  # for now
    hosts: [a.example.com, "b.example.com"]   # both
    # how it is served
    versions:

    # the old one
    - name: blue   # calm
      trafficPercentile: 80
      target: {urls: ["http://127.0.0.1:5001"]}
      # autoscale: off
        # (deeper)

    # --- challengers ---

    # the new one
    - name: green
      target:
          command:
            - python   # 3.11
            - 'm.py'
            - "{port}"
      isDefault: true
      note: |
        two
        lines

    - {name: teal, target: {urls: [x]}}   # short

# the end
"""
FLOW = """\
--- {
  "spec": {
    "versions": [ { "name" : "blue", "trafficPercentile":80 }, {"name":"green"}
    ],
    "hosts": ["a", "b"]
  }, # odd, but YAML
  "kind": "y"
}
"""
CROWDED = "a: &x {b: 1}\nc: *x\n? d\n: e\nf:\n- - 1\n  - 2\n-\n- {}\n...\n"
TEXTS = {
    "block": BLOCK,
    "no line break at the end": BLOCK.removesuffix("\n\n# the end\n"),
    "Windows": BLOCK.replace("\n", "\r\n"),
    "flow": FLOW,
    "crowded": CROWDED,
}


def meaning(text: str) -> dict[str, Any]:
    (value,) = (value for value, _ in Reader(text).documents())
    return json.loads(json.dumps(value))


def changed(text: str, change: Any) -> str:
    wanted = meaning(text)
    change(wanted)
    result = edited(text, wanted)
    assert same(meaning(result), wanted)
    return result


def versions(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["spec"]["versions"]


def test_a_scalar_keeps_its_quotes_and_its_comment():
    def change(document):
        versions(document)[0]["trafficPercentile"] = 33.3
        versions(document)[1]["target"]["command"][1] = "it's.py"
        document["spec"]["hosts"][1] = "c.example.com"
        document["spec"]["auth"]["mode"] = "key"

    expected = BLOCK.replace(": 80", ": 33.3").replace("'m.py'", "'it''s.py'")
    expected = expected.replace('"b.example.com"', '"c.example.com"').replace("mode: none", "mode: key")
    assert changed(BLOCK, change) == expected


def test_a_new_key_comes_last_and_is_indented_like_the_others():
    result = changed(BLOCK, lambda document: versions(document)[1].update(autoscale={"enabled": False}))
    assert result == BLOCK.replace("        lines\n", "        lines\n      autoscale:\n          enabled: false\n")


def test_a_version_goes_with_its_own_comments_and_no_others():
    start, end = BLOCK.index("    # the old one"), BLOCK.index("\n    # --- challengers")
    assert changed(BLOCK, lambda document: versions(document).pop(0)) == BLOCK[:start] + BLOCK[end:]
    start, end = BLOCK.index("    # the new one"), BLOCK.index("    - {name: teal")
    assert changed(BLOCK, lambda document: versions(document).pop(1)) == BLOCK[:start] + BLOCK[end:]


def test_versions_that_change_places_take_their_text_along():
    result = changed(BLOCK, lambda document: versions(document).reverse())
    blue = BLOCK[BLOCK.index("    # the old one") : BLOCK.index("\n    # --- challengers")]
    green = BLOCK[BLOCK.index("    # the new one") : BLOCK.index("\n    - {name: teal")]
    assert blue in result
    assert green in result
    assert result.index("teal") < result.index("green") < result.index("blue")
    assert sorted(result.split()) == sorted(BLOCK.split())


def test_comments_that_belong_to_no_entry_stay_where_they_are():
    text = "a:\n  - name: x\n\n  # part two\n\n  # own\n  - name: y\n\n  # part three\n\n  - name: z\n"
    expected = "a:\n  - name: x\n\n  # part two\n\n\n  # part three\n\n  - name: z\n"
    assert changed(text, lambda document: document["a"].pop(1)) == expected


def test_a_text_block_that_comes_to_the_end_of_the_file():
    text = "a:\n- name: x # one\n  note: |\n    text\n- name: y"
    assert changed(text, lambda document: document["a"].pop()) == text.removesuffix("- name: y")


def test_line_breaks_are_those_of_the_file():
    def change(document):
        versions(document)[1]["autoscale"] = {"enabled": False}
        versions(document).append({"name": "red"})

    result = changed(TEXTS["Windows"], change)
    assert result.count("\r\n") == result.count("\n") == BLOCK.count("\n") + 3


def test_what_other_parsers_take_for_something_else_is_quoted():
    """Yes and no are truth values in YAML 1.1, which kubectl and others read."""
    values = ["yes", "No", "ON", "y", "1", "1.5", "0x1", "null", "~", "", "2026-01-01", "12:30", "a: b", "a #b"]
    assert written({"a": values}) == "a: [" + ", ".join(f'"{value}"' for value in values) + "]\n"
    assert written({"a": ["python", "/score", "a.example.com", "two words"]}) == (
        "a: [python, /score, a.example.com, two words]\n"
    )


def test_the_last_key_of_a_mapping_and_the_last_entry_of_a_list():
    assert changed("a: {b: 1}  # c\n", lambda document: document["a"].clear()) == "a: {}  # c\n"
    assert changed("a:\n  b: 1\nc: 2\n", lambda document: document["a"].clear()) == "a: {}\nc: 2\n"
    assert changed("a:\n- b\nc: 2\n", lambda document: document["a"].clear()) == "a: []\nc: 2\n"
    assert changed("a:\nc: 2\n", lambda document: document.update(a=[1])) == "a: [1]\nc: 2\n"


def test_json_stays_json():
    text = json.dumps({"a": {"b": [1, 2]}, "c": None}, indent=4)
    result = changed(text, lambda document: document["a"].update(d={"e": "yes"}, b=[2, 3, 4]))
    assert json.loads(result) == {"a": {"b": [2, 3, 4], "d": {"e": "yes"}}, "c": None}
    assert result.startswith('{\n    "a": {\n        "b": [')


def test_an_alias_is_written_out_when_it_comes_to_mean_something_else():
    assert meaning(changed(CROWDED, lambda document: document["c"].update(b=2)))["a"] == {"b": 1}
    assert meaning(changed(CROWDED, lambda document: document["a"].update(b=2)))["c"] == {"b": 1}


def test_what_no_text_can_say_is_told():
    with pytest.raises(Unwritable):
        edited("a: 1\n", {"a" * 2000: 1})


WORDS = st.sampled_from(["yes", "", "a b", "1", "null", "a: b", "# no", "- x", "é\u2028\x85\x07", "*x", "'", '"', "\n"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats(0, 1e9) | WORDS | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text("abc"), inner), max_leaves=12
)
DOCUMENTS = st.dictionaries(WORDS | st.text("abc"), VALUES, min_size=1, max_size=5)


def readable(document: dict[str, Any]) -> bool:
    """Halves of surrogate pairs cannot be in a file, whatever the format."""
    return not any("\ud800" <= letter <= "\udfff" for letter in json.dumps(document, ensure_ascii=False))


@settings(max_examples=150)
@given(DOCUMENTS, DOCUMENTS, st.booleans())
def test_any_document_can_become_any_other(before, after, as_json):
    assume(readable(before) and readable(after))
    text = written(before, as_json=as_json)
    assert same(meaning(text), before)
    result = edited(text, after)
    assert same(meaning(result), after)
    if as_json:
        assert same(json.loads(result), after)
    assert edited(text, before) == text


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The ways to every mapping and list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [path] if isinstance(value, dict | list) else []
    return own + [place for key, each in inner for place in places(each, (*path, key))]


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize("name", TEXTS)
@given(data=st.data())
def test_any_change_at_any_place(name, data):
    text = TEXTS[name]
    document = meaning(text)
    for _ in range(data.draw(st.integers(1, 4))):
        place = at(document, data.draw(st.sampled_from(places(document))))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        action = data.draw(st.sampled_from(["set", "add", "delete", "shuffle"]))
        if action == "add" or not keys:
            value = data.draw(VALUES)
            place.update({"new": value}) if isinstance(place, dict) else place.append(value)
        elif action == "set":
            place[data.draw(st.sampled_from(keys))] = data.draw(VALUES)
        elif action == "delete" and len(document) > 1:
            del place[data.draw(st.sampled_from(keys))]
        elif isinstance(place, list):
            place[:] = data.draw(st.permutations(place))
    assume(readable(document))
    assert same(meaning(edited(text, document)), document)


@pytest.mark.parametrize("name", ["block", "no line break at the end", "Windows", "flow"])
@given(data=st.data())
def test_what_is_added_and_taken_away_again_leaves_no_trace(name, data):
    """To the byte: so nothing else was touched on either way."""
    text = TEXTS[name]
    before = meaning(text)
    after = copy.deepcopy(before)
    place = at(after, data.draw(st.sampled_from(places(after))))
    value = data.draw(VALUES)
    assume(readable({"": value}))
    if isinstance(place, dict):
        place["new"] = value
    else:
        place.append({"name": "new", "value": value} if place and isinstance(place[0], dict) else "new")
    assert edited(edited(text, after), before) == text


@example(number=3)
@given(number=st.integers(0, 100))
def test_a_number_that_is_changed_and_changed_back_leaves_no_trace(number):
    for text in (BLOCK, FLOW):
        result = changed(text, lambda document: versions(document)[0].update(trafficPercentile=number))
        assert edited(result, meaning(text)) == text
        assert result.replace(f"{number}", "", 1) != result
        assert len(result) == len(text) - 2 + len(str(number))
