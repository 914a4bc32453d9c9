"""What is taken from the object of a workload, whatever it holds."""

import json

import pytest
from lightkube.core.decoders import decode_object
from lightkube.core.resource import api_info
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler

from router.discovery.sighting import Sighting, followed_as

METADATA = {"name": "blue", "namespace": "web", "uid": "u", "generation": 7, "resourceVersion": "9"}
KIND = followed_as(Deployment)


def sighting(**object):
    return Sighting.of(decode_object(json.dumps({"metadata": METADATA, **object}).encode(), KIND))


def test_a_class_for_a_kind_is_followed_where_the_kind_is():
    assert (api_info(KIND), KIND.__name__) == (api_info(Deployment), "Deployment")


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ({}, None),
        ({"conditions": []}, None),
        ({"conditions": [{"type": "Available", "status": "True"}]}, None),
        ({"conditions": [{"type": "ReplicaFailure", "status": "False", "message": "was"}]}, None),
        ({"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}, "exceeded quota"),
        ({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]}, "FailedCreate"),
    ],
)
def test_an_object_as_the_watch_has_it(status, failure):
    assert sighting(spec={"replicas": 3}, status=status) == (("u", "7"), "9", failure)
    assert sighting() == (("u", "7"), "9", None)


@pytest.mark.parametrize("status", [None, "odd", {"conditions": "odd"}, {"conditions": ["odd", None, 7]}])
def test_a_custom_resource_may_hold_anything(status):
    assert sighting(status=status, spec="odd").failure is None


def test_bookmarks_can_be_decoded():
    """As the API server sends them: a specification without what every real one has."""
    bookmark = (
        b'{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"resourceVersion":"12","creationTimestamp":null},'
        b'"spec":{"selector":null,"template":{"metadata":{"creationTimestamp":null},"spec":{"containers":null}},'
        b'"strategy":{}},"status":{}}'
    )
    assert decode_object(bookmark, KIND).metadata.resourceVersion == "12"
    bookmark = (
        b'{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v1","metadata":{"resourceVersion":"12",'
        b'"creationTimestamp":null},"spec":{"scaleTargetRef":{"kind":"","name":""},"maxReplicas":0},'
        b'"status":{"currentReplicas":0,"desiredReplicas":0}}'
    )
    assert decode_object(bookmark, HorizontalPodAutoscaler).metadata.resourceVersion == "12"
