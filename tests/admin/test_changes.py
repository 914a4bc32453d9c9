"""What a change of one version does to the marks of the others: the rules one by one, and as properties."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admin.changes import (
    DefaultVersion,
    LastVersion,
    NewDefaultUnknown,
    default_name,
    delete_version,
    has_version,
    patch_version,
    put_version,
    version_of,
)
from router.errors import VersionUnknown
from router.model.problems import ConfigurationRefused

TARGET = {"urls": ["http://127.0.0.1:5001"]}


def resource(*versions: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": "digits", "labels": {"team": "vision"}},
        "spec": {"auth": {"mode": "none"}, "versions": list(versions)},
    }


def version(name: str, **says: Any) -> dict[str, Any]:
    return {"name": name, "target": TARGET, **says}


def versions_of(changed) -> dict[str, dict[str, Any]]:
    return {each["name"]: {key: value for key, value in each.items() if key not in {"name", "target"}}
            for each in changed["spec"]["versions"]}  # fmt: skip


# -- put and patch ----------------------------------------------------------------------------------------------------


def test_a_new_version_goes_behind_the_others_and_takes_nothing():
    changed = put_version(resource(version("aaa", isDefault=True)), "bbb", {"target": TARGET, "trafficPercentile": 10})
    assert versions_of(changed) == {"aaa": {"isDefault": True}, "bbb": {"trafficPercentile": 10}}
    assert list(changed["spec"]["versions"][1]) == ["name", "target", "trafficPercentile"]


def test_a_version_that_is_put_again_keeps_its_place_and_being_the_default():
    before = resource(version("aaa"), version("bbb", isDefault=True, trafficPercentile=5), version("ccc"))
    changed = put_version(before, "bbb", {"target": TARGET, "maxQueueLength": 3})
    assert versions_of(changed) == {"aaa": {}, "bbb": {"maxQueueLength": 3, "isDefault": True}, "ccc": {}}


@pytest.mark.parametrize("change", [put_version, patch_version])
def test_marks_move_to_who_says_so(change):
    def put(endpoint, **says):
        return change(endpoint, "bbb", {"target": TARGET, **says})

    before = resource(version("aaa", isDefault=True, type="control"), version("bbb"))
    assert versions_of(put(before, isDefault=True)) == {"aaa": {"type": "control"}, "bbb": {"isDefault": True}}
    assert versions_of(put(before, type="control")) == {"aaa": {"isDefault": True}, "bbb": {"type": "control"}}
    both = put(before, isDefault=True, type="control", trafficPercentile=40)
    assert versions_of(both) == {"aaa": {}, "bbb": {"isDefault": True, "type": "control", "trafficPercentile": 40}}


def test_the_default_by_its_place_hands_over_too():
    before = resource(version("aaa"), version("bbb"))
    assert versions_of(patch_version(before, "bbb", {"isDefault": True})) == {"aaa": {}, "bbb": {"isDefault": True}}


@pytest.mark.parametrize("word", [False, None])
@pytest.mark.parametrize("mark", [{"isDefault": True}, {}])
def test_the_default_cannot_only_lay_down_its_mark(word, mark):
    before = resource(version("aaa", **mark), version("bbb"))
    with pytest.raises(DefaultVersion, match="aaa is the default version; say isDefault: true of the one"):
        patch_version(before, "aaa", {"isDefault": word})


def test_nor_become_a_mirror():
    with pytest.raises(DefaultVersion, match="aaa is the default version and would not be any more"):
        patch_version(resource(version("aaa"), version("bbb")), "aaa", {"mirrorPercentile": 10})


def test_saying_that_it_is_not_the_default_is_not_written_down():
    before = resource(version("aaa"), version("bbb"))
    assert versions_of(patch_version(before, "bbb", {"isDefault": False, "trafficPercentile": 1})) == {
        "aaa": {},
        "bbb": {"trafficPercentile": 1},
    }
    assert versions_of(put_version(before, "ccc", version("ccc", isDefault=False)))["ccc"] == {}
    alone = resource(version("aaa"))
    assert versions_of(put_version(alone, "aaa", version("aaa", isDefault=False))) == {"aaa": {}}


def test_what_was_said_already_is_no_wish_to_lay_it_down():
    before = resource(version("aaa", isDefault=False), version("bbb"))
    sent_back = {**version_of(before, "aaa"), "trafficPercentile": 3}
    assert versions_of(put_version(before, "aaa", sent_back))["aaa"] == {"trafficPercentile": 3}


@pytest.mark.parametrize("change", [put_version, patch_version])
def test_a_version_cannot_be_renamed(change):
    with pytest.raises(ConfigurationRefused) as refused:
        change(resource(version("aaa")), "aaa", {"name": "bbb", "target": TARGET})
    assert [(problem.key, problem.line) for problem in refused.value.problems] == [("name", None)]


def test_who_is_not_there_cannot_be_shown_patched_or_deleted():
    here = resource(version("aaa"))
    for change in (version_of, delete_version, lambda r, n: patch_version(r, n, {})):
        with pytest.raises(VersionUnknown, match="no version 'bbb'"):
            change(here, "bbb")
    assert not has_version(here, "bbb")


# -- delete -----------------------------------------------------------------------------------------------------------


def test_the_default_goes_only_when_another_takes_its_place():
    for before in (resource(version("aaa", isDefault=True), version("bbb")), resource(version("aaa"), version("bbb"))):
        with pytest.raises(DefaultVersion, match="newDefault=NAME"):
            delete_version(before, "aaa")
        assert versions_of(delete_version(before, "aaa", "bbb")) == {"bbb": {"isDefault": True}}


def test_another_version_goes_and_may_name_a_new_default_too():
    before = resource(version("aaa", isDefault=True), version("bbb"), version("ccc"))
    assert versions_of(delete_version(before, "bbb")) == {"aaa": {"isDefault": True}, "ccc": {}}
    assert versions_of(delete_version(before, "bbb", "ccc")) == {"aaa": {}, "ccc": {"isDefault": True}}


@pytest.mark.parametrize("heir", ["aaa", "zzz"])
def test_the_new_default_is_one_that_stays(heir):
    with pytest.raises(NewDefaultUnknown, match=heir):
        delete_version(resource(version("aaa"), version("bbb")), "aaa", heir)


@pytest.mark.parametrize("heir", [None, "aaa"])
def test_the_last_version_goes_only_with_the_endpoint(heir):
    with pytest.raises(LastVersion, match="delete the endpoint instead"):
        delete_version(resource(version("aaa")), "aaa", heir)


@pytest.mark.parametrize("spec", [None, {}, {"versions": None}, {"versions": "x"}, {"versions": [1, None]}])
def test_what_a_cluster_holds_may_be_anything(spec):
    broken = {"metadata": {"name": "digits"}, "spec": spec}
    with pytest.raises(VersionUnknown):
        delete_version(broken, "aaa")
    assert put_version(broken, "aaa", {"target": TARGET})["spec"]["versions"] == [{"name": "aaa", "target": TARGET}]


# -- properties -------------------------------------------------------------------------------------------------------

NAMES = ("aaa", "bbb", "ccc", "ddd")
names = st.sampled_from(NAMES)
says = st.fixed_dictionaries(
    {},
    optional={
        "isDefault": st.booleans(),
        "type": st.sampled_from(["control", "treatment"]),
        "mirrorPercentile": st.sampled_from([0, 20]),
        "trafficPercentile": st.integers(0, 100),
        "x-unknown": st.just({"kept": [1]}),
    },
)
changes = st.one_of(
    st.tuples(st.just(put_version), names, says),
    st.tuples(st.just(patch_version), names, says | st.just({"isDefault": None})),
    st.tuples(st.just(delete_version), names, st.none() | names),
)


@st.composite
def resources(draw) -> dict[str, Any]:
    """As validation lets them stand: the default may be marked or go by its place, and is no mirror."""
    drawn = draw(st.lists(names, min_size=1, unique=True))
    default, control = draw(st.none() | st.sampled_from(drawn)), draw(st.none() | st.sampled_from(drawn))
    versions = []
    for name in drawn:
        own = draw(says)
        own.pop("isDefault", None)
        own.pop("type", None)
        if name == (default or drawn[0]):
            own.pop("mirrorPercentile", None)
        marks = {**({"isDefault": True} if name == default else {}), **({"type": "control"} if name == control else {})}
        versions.append(version(name, **own, **marks))
    return resource(*versions)


def unmarked(one: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in {"isDefault", "type"}}


def without_versions(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {**endpoint, "spec": {**endpoint["spec"], "versions": ()}}


@given(resources(), st.lists(changes, max_size=6))
def test_after_any_changes_there_is_one_default_that_nobody_lost_silently(first, steps):
    state = first
    for change, name, argument in steps:
        before = copy.deepcopy(state)
        try:
            changed = change(state, name, argument)
        except (DefaultVersion, LastVersion, NewDefaultUnknown, VersionUnknown):
            changed = state
        assert state == before, "a change leaves what it was given as it was"
        old, new = before["spec"]["versions"], changed["spec"]["versions"]
        here = [each["name"] for each in new]
        assert len(set(here)) == len(here)
        assert sum(each.get("isDefault") is True for each in new) <= 1
        assert sum(each.get("type") == "control" for each in new) <= 1
        default = default_name(new)
        if changed is not state and default != default_name(old):
            assert default == (argument if change is delete_version else name), "it passed to whom the change names"
        others = {each["name"]: unmarked(each) for each in old if each["name"] != name}
        assert {each["name"]: unmarked(each) for each in new if each["name"] != name} == others
        assert without_versions(changed) == without_versions(before)
        if default is None or any(each.get("mirrorPercentile") and each.get("isDefault") for each in new):
            changed = before  # validation refuses it; nothing of it is kept
        state = changed


@given(resources(), names, says)
def test_putting_twice_is_putting_once(first, name, argument):
    try:
        once = put_version(first, name, argument)
    except DefaultVersion:
        return
    assert put_version(once, name, version_of(once, name)) == once
