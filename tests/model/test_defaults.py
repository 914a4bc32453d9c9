"""Without defaults and with them again: what an API server stores is the same."""

from hypothesis import given

from router.model.crd import crd
from router.model.defaults import without_defaults
from router.model.resource import interpret_resource
from tests.fakes import documents
from tests.fakes.schema import stored

(VERSION,) = crd()["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]


def test_what_the_user_wrote_comes_back():
    spec = {
        "auth": {"secretName": "mine"},
        "versions": [
            {"name": "blue", "target": {"deployment": {"name": "blue", "port": 1}}, "autoscale": {"maxReplicas": 2}},
            {"name": "green", "target": {"urls": ["http://10.0.0.1"]}, "trafficPercentile": 10, "maxQueueWaitMs": 5},
        ],
    }
    full = stored(spec, SCHEMA)
    assert full != spec
    assert without_defaults(full, SCHEMA) == spec


def test_an_empty_block_that_means_something_stays():
    """TLS to every replica; scaled although its urls are fixed, which is refused; but auth is what it is anyway."""
    version = {"name": "blue", "target": {"urls": ["http://10.0.0.1"], "tls": {}}, "autoscale": {}}
    assert without_defaults(stored({"auth": {}, "versions": [version]}, SCHEMA), SCHEMA) == {"versions": [version]}


@given(documents.SPECS)
def test_filled_in_again_it_is_what_was_stored(spec):
    full = stored(spec, SCHEMA)
    bare = without_defaults(full, SCHEMA)
    assert stored(bare, SCHEMA) == full
    assert without_defaults(bare, SCHEMA) == bare

    def interpreted(spec):
        resource = {"apiVersion": "maitre.dev/v1alpha1", "kind": "ScoringEndpoint", "metadata": {"name": "digits"}}
        found = interpret_resource({**resource, "spec": spec})
        return found.endpoint, [problem.key for problem in found.problems]

    assert interpreted(bare) == interpreted(full)
