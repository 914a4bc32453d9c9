"""The CustomResourceDefinition of ScoringEndpoints, made of the schema that files and the REST API have too.

Pure; printed by `maitre crd`, and from there in `deploy/base/crd.yaml`. Only what a schema cannot say by itself is
added here: which lists are sets or maps, the rules between values, the columns of `kubectl get`. Every API server from
1.16 takes it: what is newer than the server (CEL) it drops when it stores the definition.
"""

from __future__ import annotations

from typing import Any, Final

from router.model.cluster_rules import CLUSTER_RULES, ITEMS, SchemaPath
from router.model.spec import API_VERSION, KIND, EndpointSpec, Metadata
from router.model.status import EndpointStatus
from router.model.structural import JsonSchema, structural_schema

GROUP, VERSION = API_VERSION.split("/")
PLURAL: Final = "scoringendpoints"

_COLUMNS: Final = (
    ("Versions", "string", ".status.versionNames", "The versions of the endpoint."),
    ("Default", "string", ".status.defaultVersion", "Takes what no percentile claims."),
    ("Ready", "string", ".status.ready", "Replicas that take requests, of those asked for."),
    ("Busy", "integer", ".status.busy", "Replicas with at least one request."),
    ("RPS", "string", ".status.rps", "Requests a second."),
    ("Age", "date", ".metadata.creationTimestamp", "Since the endpoint was made."),
)


def crd() -> dict[str, Any]:
    """As the API server takes it (apiextensions.k8s.io/v1)."""
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
        "shortNames": ["sep"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [_version()]},
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "description": description}
            for name, kind, path, description in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": _schema()},
    }


def _schema() -> JsonSchema:
    # Of metadata an API server takes limits for the name alone; it has its own for the rest.
    name = structural_schema(Metadata)["properties"]["name"]
    return {
        "type": "object",
        "description": "A named public scoring address with its auth and 1 to 6 versions.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": _spec(),
            "status": _status(),
        },
    }


def _spec() -> JsonSchema:
    schema = structural_schema(EndpointSpec)
    _make_map(_at(schema, ("versions",)), key="name")
    for rule in CLUSTER_RULES:
        validations = _at(schema, rule.at).setdefault("x-kubernetes-validations", [])
        validations.append({"rule": rule.says, "message": rule.message})
    return schema


def _status() -> JsonSchema:
    schema = structural_schema(EndpointStatus)
    _make_map(_at(schema, ("conditions",)), key="type")
    _make_map(_at(schema, ("versions",)), key="name")
    return schema


def _make_map(schema: JsonSchema, key: str) -> None:
    """Entries are told apart by a key, which is unique then: several writers may each own some (server-side apply)."""
    schema["x-kubernetes-list-type"] = "map"
    schema["x-kubernetes-list-map-keys"] = [key]


def _at(schema: JsonSchema, path: SchemaPath) -> JsonSchema:
    for step in path:
        schema = schema["items"] if step == ITEMS else schema["properties"][step]
    return schema
