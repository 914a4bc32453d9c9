import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.discovery.selectors import Selector, SelectorRefused


def matches(text: str, **labels: str) -> bool:
    return Selector.parse(text).matches(labels)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("", {}, None),
        ("x=a", {"x": "a", "y": "b"}, {"x": "b"}),
        ("x==a", {"x": "a"}, {}),
        ("x!=a", {}, {"x": "a"}),
        ("x", {"x": ""}, {"y": "a"}),
        ("!x", {"y": "a"}, {"x": "a"}),
        ("x in (a,b)", {"x": "b"}, {"x": "c"}),
        ("x notin (a,b)", {}, {"x": "a"}),
        ("x=", {"x": ""}, {}),
        ("x= ,z= ", {"x": "", "z": ""}, {"x": "", "z": "a"}),
        ("x in (,a)", {"x": ""}, {"x": "b"}),
        ("x in (a,)", {"x": ""}, {}),
        ("in in (in, notin)", {"in": "notin"}, {"in": "x"}),
        ("x>1,x<5", {"x": "4"}, {"x": "5"}),
        ("x>0", {"x": "1"}, {"x": "much"}),
        ("a=b, !c ,d\tnotin\n( e )", {"a": "b", "d": "f"}, {"a": "b", "d": "e"}),
        ("example.com/key=v.1_2-3", {"example.com/key": "v.1_2-3"}, {}),
    ],
)
def test_what_matches(text, yes, no):
    selector = Selector.parse(text)
    assert selector.matches(yes)
    assert no is None or not selector.matches(no)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x=a||y=b", "is no label value"),
        ("x==a==b", "found '==' where ',' must stand"),
        ("!x=a", "found '=' where ',' must stand"),
        ("x<a", "take a whole number"),
        ("x>-1", "'-1' is no label value"),
        ("x>99999999999999999999", "take a whole number"),
        ("x in ()", "found ')' where a value must stand"),
        ("x in (a", "found the end where ',' or ')' must stand"),
        ("x in a", "found 'a' where '(' must stand"),
        ("x in (a b)", "found 'b' where ',' or ')' must stand"),
        ("x=a,", "found the end where a label key must stand"),
        (",x=a", "found ',' where a label key must stand"),
        ("x y", "found 'y' where ',', '=', '==', '!=', 'in', 'notin', '<', '>' or the end must stand"),
        ("!", "found the end where a label key must stand"),
        ("x=(a)", "found '(' where a value must stand"),
        ("-x=a", "'-x' is no label key"),
        ("Example/x=a", "'Example/x' is no label key"),
        ("/x=a", "'/x' is no label key"),
        ("x=" + "a" * 64, "is no label value"),
    ],
)
def test_what_is_refused_and_why(text, reason):
    with pytest.raises(SelectorRefused) as refused:
        Selector.parse(text)
    assert reason in str(refused.value)
    assert repr(text) in str(refused.value)


def test_what_it_can_be_looked_up_by():
    selector = Selector.parse("a=b,c in (d),e in (f,g),h!=i,j,k=")
    assert list(selector.equalities()) == [("a", "b"), ("c", "d"), ("k", "")]


keys = st.sampled_from(["a", "b", "in", "example.com/c"])
values = st.sampled_from(["", "x", "y", "7", "12", "3", "notin"])
labels = st.dictionaries(keys, values)
spaces = st.sampled_from(["", " ", "\t ", "\n"])


@st.composite
def requirements(draw):
    """A text, and what it means: a set of the values (None: no such label) with which it holds."""
    key, a, space = draw(keys), draw(values), draw(spaces)
    some = draw(st.lists(values, min_size=1))
    listed = f" ({space}" + f"{space},{space}".join(some) + f"{space}){space}"
    every = {"", "x", "y", "7", "12", "3", "notin"}
    kind = draw(st.sampled_from(["=", "==", "!=", "in", "notin", "", "!", ">", "<"]))
    match kind:
        case "=" | "==":
            return f"{space}{key}{space}{kind}{space}{a}", key, {a}
        case "!=":
            return f"{key}{space}!={space}{a}", key, every - {a} | {None}
        case "in":
            return f"{key} in{listed}", key, set(some)
        case "notin":
            return f"{space}{key}\nnotin{listed}", key, every - set(some) | {None}
        case "":
            return f"{key}{space}", key, every
        case "!":
            return f"!{space}x{key[1:]}", "x" + key[1:], {None}
        case _:
            numbers = {"7": 7, "12": 12, "3": 3}
            holds = {v for v, n in numbers.items() if (n > 7 if kind == ">" else n < 7)}
            return f"{key}{kind}{space}7", key, holds


@given(st.lists(requirements()), labels)
def test_all_requirements_must_hold(some, labels):
    selector = Selector.parse(",".join(text for text, _, _ in some))
    expected = all(labels.get(key) in holds for _, key, holds in some)
    assert selector.matches(labels) is expected
    if expected:
        assert set(selector.equalities()) <= labels.items()


@given(st.text(alphabet="ab=!(),<> in\t1-./", max_size=20))
def test_any_text_is_parsed_or_refused(text):
    """Nothing else is raised."""
    with contextlib.suppress(SelectorRefused):
        assert Selector.parse(text).requirements or not text.strip()
