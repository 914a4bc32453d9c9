"""What differs between two endpoints: every difference, nothing else, and no secret."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admin.difference import HIDDEN, difference

BLUE = {"name": "blue", "trafficPercentile": 80, "target": {"urls": ["http://10.0.0.1:1"]}}
GREEN = {"name": "green", "target": {"command": ["python", "--token", "planted-secret"]}}


def endpoint(*versions, **spec):
    metadata = {"name": "digits", "namespace": "default"}
    kind = {"apiVersion": "maitre.dev/v1alpha1", "kind": "ScoringEndpoint"}
    return {**kind, "metadata": metadata, "spec": {**spec, "versions": list(versions)}}


def told(before, after):
    return [str(change) for change in difference(before, after)]


def test_one_value():
    assert told(endpoint(BLUE, GREEN), endpoint({**BLUE, "trafficPercentile": 40}, GREEN)) == [
        "spec.versions[blue].trafficPercentile: 80 → 40"
    ]


def test_a_version_put_first_leaves_the_others_as_they_are():
    assert told(endpoint(BLUE), endpoint({"name": "red", "isDefault": True}, BLUE)) == [
        'spec.versions[red].name: absent → "red"',
        "spec.versions[red].isDefault: absent → true",
    ]


def test_another_order_is_a_difference():
    red = {"name": "red"}
    assert told(endpoint(BLUE, red), endpoint(red, BLUE)) == [
        "spec.versions: in the order blue, red → in the order red, blue"
    ]
    assert told(endpoint(BLUE, red, {"name": "x"}), endpoint(red)) == [
        'spec.versions[blue].name: "blue" → absent',
        "spec.versions[blue].trafficPercentile: 80 → absent",
        'spec.versions[blue].target.urls[0]: "http://10.0.0.1:1" → absent',
        'spec.versions[x].name: "x" → absent',
    ]


def test_made_and_deleted():
    small = {"metadata": {"name": "digits"}}
    assert told(None, small) == ['metadata.name: absent → "digits"']
    assert told(small, None) == ['metadata.name: "digits" → absent']
    assert told(None, None) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"sticky": {"header": "a"}}, {}, 'spec.sticky.header: "a" → absent'),
        ({}, {"cors": {}}, "spec.cors: absent → a mapping"),
        ({"hosts": []}, {}, "spec.hosts: an empty list → absent"),
        ({"hosts": ["a.example"]}, {"hosts": []}, 'spec.hosts[0]: "a.example" → absent'),
        ({"serverTiming": True}, {"serverTiming": 1}, "spec.serverTiming: true → 1"),
        ({"sticky": None}, {}, "spec.sticky: null → absent"),
        ({"sticky": {"header": "a"}}, {"sticky": None}, "spec.sticky: a mapping → null"),
    ],
)
def test_what_is_there_and_what_is_not(before, after, line):
    assert told(endpoint(BLUE, **before), endpoint(BLUE, **after)) == [line]


@pytest.mark.parametrize(
    "spec",
    [
        {"versions": [{**GREEN, "target": {"command": ["planted-secret"]}}]},
        {"versions": [{"name": "green", "target": {"urls": ["http://user:planted-secret@10.0.0.1"]}}]},
        {"auth": {"primaryKey": "planted-secret"}},
        {"auth": {"token": "planted-secret"}},
        {"password": {"text": ["planted-secret"]}},
        {"versions": [{"name": "green", "secret": "planted-secret"}]},
        {"auth": "planted-secret"},
    ],
)
def test_what_might_be_a_secret_is_not_shown(spec):
    there, not_there = endpoint(**{"versions": [{"name": "green"}], **spec}), endpoint({"name": "green"})
    there["spec"].update(spec)
    for before, after in ((there, not_there), (not_there, there), (there, None), (None, there)):
        lines = told(before, after)
        assert any(HIDDEN in line for line in lines)
        assert "planted" not in "".join(lines)


def test_all_that_the_schema_has_is_shown():
    """But for commands: hidden are secrets only, not whatever nobody thought of."""
    version = {
        **BLUE, "isDefault": True, "type": "control", "scoringPath": "/s", "readinessPath": "/r", "maxQueueWaitMs": 1,
        "maxConcurrentRequestsPerReplica": 2, "maxQueueLength": 3, "scoringTimeoutMs": 4, "coldStartTimeoutMs": 5,
        "collectData": False, "mirrorPercentile": 0.5,
        "autoscale": {
            "enabled": True, "minReplicas": 1, "maxReplicas": 2, "targetUtilization": 3, "refreshPeriodSeconds": 4,
            "scaleDownWindowSeconds": 5, "replicas": 6,
        },
        "target": {
            "deployment": {"name": "a", "port": 1, "kind": "B", "apiVersion": "v1"}, "urls": ["http://10.0.0.1"],
            "tls": {"caFile": "a", "certFile": "b", "keyFile": "c", "serverName": "d"},
        },
    }  # fmt: skip
    token = {"issuer": "https://a.example", "audience": "b", "jwksUri": "https://a.example/keys"}
    auth = {"mode": "key", "keysFile": "a", "secretName": "b", "token": token}
    cors, sticky = {"allowOrigins": ["*"]}, {"header": "x"}
    whole = endpoint(version, auth=auth, hosts=["a.example"], cors=cors, sticky=sticky, serverTiming=True)
    whole["metadata"] |= {"labels": {"a": "b"}, "annotations": {"a": "b"}}
    lines = told(None, whole)
    assert len(lines) > 40
    assert [line for line in lines if HIDDEN in line] == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "spec", "versions", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)
RESOURCES = st.dictionaries(st.sampled_from(["spec", "metadata"]), VALUES, max_size=2)


def exactly(value):
    """With what makes `True == 1` out of the way."""
    match value:
        case bool():
            return ("bool", value)
        case dict():
            return {key: exactly(part) for key, part in value.items()}
        case list():
            return [exactly(part) for part in value]
    return value


@given(RESOURCES, RESOURCES)
def test_there_is_a_difference_if_and_only_if_they_are_not_equal(before, after):
    assert (told(before, after) == []) == (exactly(before) == exactly(after))
    assert told(before, copy.deepcopy(before)) == []
    assert len(told(before, after)) == len(told(after, before))


def test_two_of_one_name_go_by_their_numbers():
    """As in an endpoint that was stored and refused."""
    twice, once = endpoint({"name": "blue"}, BLUE), endpoint(BLUE)
    assert told(twice, once) == [
        "spec.versions[0].trafficPercentile: absent → 80",
        'spec.versions[0].target.urls[0]: absent → "http://10.0.0.1:1"',
        'spec.versions[1].name: "blue" → absent',
        "spec.versions[1].trafficPercentile: 80 → absent",
        'spec.versions[1].target.urls[0]: "http://10.0.0.1:1" → absent',
    ]
