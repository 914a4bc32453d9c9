"""Which generation of each resource is in force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.model.spec import EndpointKey
from router.store.endpoints import Endpoints
from tests.fakes.resources import endpoint_resource as resource


class Watched:
    """Endpoints, and how often they told of a change."""

    def __init__(self) -> None:
        self.changes = 0
        self.endpoints = Endpoints(self._changed)
        self.keys: set[EndpointKey] = set()

    def _changed(self) -> None:
        self.changes += 1

    def settled(self) -> dict[str, str]:
        """The first version's name of what is in force, by name."""
        self.keys |= self.endpoints.settle()
        standings = {key: self.endpoints.standing(key) for key in sorted(self.keys)}
        return {
            name: standing.in_force.spec.versions[0].name
            for (_, name), standing in standings.items()
            if standing is not None and standing.in_force is not None
        }

    def problems(self, name: str) -> list[str]:
        standing = self.endpoints.standing(("default", name))
        return [] if standing is None else [str(problem) for problem in standing.problems]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def versioned(name: str, version: str, **more: Any) -> dict[str, Any]:
    target = {"deployment": {"name": f"{name}-workload", "port": 5001}}
    return resource(name, versions=[{"name": version, "target": target}], **more)


def test_a_wrong_generation_leaves_the_last_good_one(watched):
    watched.endpoints.put(versioned("digits", "blue"))
    assert watched.settled() == {"digits": "blue"}
    watched.endpoints.put(versioned("digits", "NO", generation=2))
    assert watched.settled() == {"digits": "blue"}
    (problem,) = watched.problems("digits")
    assert problem.startswith('scoringendpoint default/digits: spec.versions[0](NO).name: "NO" is not allowed')
    watched.endpoints.put(versioned("digits", "green", generation=3))
    assert watched.settled() == {"digits": "green"}
    assert watched.problems("digits") == []


def test_what_was_never_good_is_not_served(watched):
    watched.endpoints.put(versioned("digits", "NO"))
    assert watched.settled() == {}
    assert watched.problems("digits")


def test_the_last_good_one_goes_with_its_resource(watched):
    """Also when nobody saw it go: the name is the same, the resource is another one."""
    watched.endpoints.put(versioned("digits", "blue", uid="one"))
    assert watched.settled() == {"digits": "blue"}
    watched.endpoints.replace(None, [versioned("digits", "NO", uid="two")])
    assert watched.settled() == {}
    watched.endpoints.remove(versioned("digits", "NO", uid="two"))
    assert watched.settled() == {}
    assert watched.problems("digits") == []


def test_a_list_takes_away_what_is_not_in_it(watched):
    watched.endpoints.replace(None, [resource("one"), resource("two"), resource("one", namespace="web")])
    assert len(watched.endpoints.settle()) == 3
    watched.endpoints.replace("web", [])
    assert watched.endpoints.settle() == {("web", "one")}
    watched.endpoints.replace(None, [resource("two")])
    assert watched.endpoints.settle() == {("default", "one")}


def test_status_and_metadata_are_no_change(watched):
    first = resource("digits")
    watched.endpoints.put(first)
    watched.endpoints.settle()
    changes = watched.changes
    edited = resource("digits")
    edited["status"] = {"ready": "1/1"}
    edited["metadata"]["labels"] = {"team": "vision"}
    watched.endpoints.put(edited)
    watched.endpoints.replace(None, [edited])
    assert watched.changes == changes
    assert watched.endpoints.settle() == set()
    assert watched.endpoints.status(("default", "digits")) == {"ready": "1/1"}


def test_what_is_equal_stays_the_same_object(watched):
    key = ("default", "digits")
    watched.endpoints.put(resource("digits"))
    watched.endpoints.settle()
    before = watched.endpoints.standing(key)
    watched.endpoints.put(resource("digits", generation=2, serverTiming=False))
    watched.endpoints.settle()
    after = watched.endpoints.standing(key)
    assert after.newest.generation == 2
    assert after.in_force is before.in_force


def test_who_claims_what_another_one_has_is_told_who(watched):
    watched.endpoints.put(resource("one", hosts=["one.example.com"], created=1))
    assert watched.settled() == {"one": "blue"}
    watched.endpoints.put(resource("two", hosts=["two.example.com", "one.example.com"], created=0))
    assert watched.settled() == {"one": "blue"}
    assert watched.problems("two") == [
        "scoringendpoint default/two: spec.hosts[1]: the host one.example.com is taken already, "
        "by scoringendpoint default/one"
    ]
    assert watched.endpoints.standing(("default", "two")).conflict
    watched.endpoints.remove(resource("one"))
    assert watched.settled() == {"two": "blue"}
    assert watched.problems("two") == []


def test_a_list_gives_it_to_the_oldest(watched):
    hosts = ["one.example.com"]
    watched.endpoints.replace(None, [resource("late", hosts=hosts, created=2), resource("old", hosts=hosts, created=1)])
    assert watched.settled() == {"old": "blue"}


def test_a_workload_twice_in_one_resource(watched):
    target = {"deployment": {"name": "shared", "port": 5001}}
    versions = [{"name": "blue", "target": target}, {"name": "green", "target": target}]
    watched.endpoints.put(resource("digits", versions=versions))
    assert watched.settled() == {}
    (problem,) = watched.problems("digits")
    assert problem.endswith("is taken already, by spec.versions[0](blue).target.deployment.name")


CONTENTS = st.sampled_from(["blue", "green", "NO"])
EVENTS = st.lists(st.tuples(st.sampled_from(["one", "two", "six"]), CONTENTS | st.none(), st.booleans()), max_size=20)


@given(EVENTS)
def test_any_history_ends_where_a_list_of_its_end_would(events):
    """But for what is wrong in the end: its last good content is what the history left, and a list knows none."""
    watched, there = Watched(), {}
    good: dict[str, str] = {}
    for number, (name, content, settles) in enumerate(events, 1):
        if content is None:
            if (gone := there.pop(name, None)) is not None:
                watched.endpoints.remove(gone)
            good.pop(name, None)
        else:
            uid = there[name]["metadata"]["uid"] if name in there else f"{name}-{number}"
            there[name] = versioned(name, content, generation=number, uid=uid)
            watched.endpoints.put(there[name])
        if settles:
            watched.settled()
            good |= {each: version for each, version in _contents(there).items() if version != "NO"}
    listed = Watched()
    listed.endpoints.replace(None, list(there.values()))
    fresh = listed.settled()
    stale = {name: good[name] for name, content in _contents(there).items() if content == "NO" and name in good}
    assert watched.settled() == fresh | stale
    for name in there:
        assert watched.problems(name) == listed.problems(name)


def _contents(there: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: each["spec"]["versions"][0]["name"] for name, each in there.items()}
