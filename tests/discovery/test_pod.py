from datetime import UTC, datetime

import pytest
from lightkube.core.decoders import decode_list, decode_object, decode_watch_event

from router.discovery.pod import MARKED_COST, Pod, PodObject, State
from tests.fakes.pods import manifest, seen


@pytest.mark.parametrize("state", State)
def test_where_a_pod_stands(state):
    assert Pod.of(seen(manifest("blue-1", state))).state is state


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "Pending"},
        {"podIP": None},
        {"conditions": [{"type": "Ready", "status": "Unknown"}]},
        {"conditions": [{"type": "ContainersReady", "status": "True"}]},
        {"conditions": None},
    ],
)
def test_ready_takes_all_of_it(changes):
    pod = manifest("blue-1")
    pod["status"] |= changes
    assert Pod.of(seen(pod)).state is State.STARTING


def test_a_pod_without_a_status_is_starting():
    pod = manifest("blue-1")
    del pod["status"], pod["metadata"]["ownerReferences"], pod["metadata"]["annotations"], pod["metadata"]["labels"]
    assert Pod.of(seen(pod)).state is State.STARTING


def test_what_is_kept():
    pod = Pod.of(seen(manifest("blue-7", labels={"app": "blue"}, uid="u", ip="::1", born_s=60, owner="StatefulSet")))
    assert (pod.namespace, pod.name, pod.uid, pod.ip, pod.labels) == ("default", "blue-7", "u", "::1", {"app": "blue"})
    assert pod.created == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert pod.ordinal == 7
    assert pod.replica == "blue-7/u"


@pytest.mark.parametrize(("owner", "name"), [("ReplicaSet", "blue-7"), ("StatefulSet", "blue"), ("StatefulSet", "b-²")])
def test_only_pods_of_a_stateful_set_have_a_place_in_it(owner, name):
    assert Pod.of(seen(manifest(name, owner=owner))).ordinal is None


def test_an_owner_that_does_not_control_it_gives_it_no_place():
    pod = manifest("blue-7", owner="StatefulSet")
    del pod["metadata"]["ownerReferences"][0]["controller"]
    assert Pod.of(seen(pod)).ordinal is None


@pytest.mark.parametrize(
    ("cost", "mark", "others"),
    [
        (None, None, None),
        (MARKED_COST, "now me", None),
        (MARKED_COST, None, -1),
        ("-5", None, -5),
        ("-5", "now me", -5),
        ("soon", None, 0),
    ],
)
def test_whose_the_deletion_cost_is(cost, mark, others):
    pod = Pod.of(seen(manifest("blue-1", cost=cost, mark=mark)))
    assert (pod.cost, pod.mark) == (others, mark)


def test_what_a_reflector_needs_is_decoded():
    """Bookmarks have next to nothing in them."""
    line = (
        b'{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1",'
        b'"metadata":{"resourceVersion":"12","creationTimestamp":null},"spec":{"containers":null},"status":{}}}'
    )
    assert decode_object(decode_watch_event(line).object, PodObject).metadata.resourceVersion == "12"
    page = b'{"metadata":{"resourceVersion":"7","continue":"more"},"items":[{"metadata":{"name":"a","uid":"u"}}]}'
    more, version, pods = decode_list(page, PodObject)
    assert (more, version, [pod.metadata.name for pod in pods]) == ("more", "7", ["a"])
