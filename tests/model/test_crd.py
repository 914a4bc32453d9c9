"""The definition of the resource: structural, bounded, and of the same keys as the files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from router.model.crd import crd
from router.model.spec import EndpointSpec
from router.model.status import EndpointStatus

WITHOUT_RULES = Path(__file__).parents[2] / "deploy" / "kubernetes-1.20" / "crd-without-rules.yaml"
(VERSION,) = crd()["spec"]["versions"]
PROPERTIES = VERSION["schema"]["openAPIV3Schema"]["properties"]
STRUCTURAL = {
    *("type", "format", "description", "enum", "pattern", "required", "default", "items", "properties"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("additionalProperties", "maxProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
}


def places(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    if "items" in schema:
        yield from places(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from places(schema["additionalProperties"], f"{path}[]")
    for key, inner in schema.get("properties", {}).items():
        yield from places(inner, f"{path}.{key}")


def keys_of(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    """All keys that pydantic's schema knows, by a way of reading it that is not the one under test."""
    if "$ref" in schema:
        yield from keys_of(definitions[schema["$ref"].rpartition("/")[2]], definitions, path)
    for option in schema.get("anyOf", ()):
        yield from keys_of(option, definitions, path)
    if "items" in schema:
        yield from keys_of(schema["items"], definitions, f"{path}[]")
    for key, inner in schema.get("properties", {}).items():
        yield f"{path}.{key}"
        yield from keys_of(inner, definitions, f"{path}.{key}")


def test_the_names() -> None:
    definition = crd()
    assert definition["metadata"]["name"] == "scoringendpoints.maitre.dev"
    assert (definition["spec"]["group"], definition["spec"]["scope"]) == ("maitre.dev", "Namespaced")
    assert definition["spec"]["names"]["shortNames"] == ["sep"]
    assert (VERSION["name"], VERSION["served"], VERSION["storage"]) == ("v1alpha1", True, True)
    assert VERSION["subresources"] == {"status": {}}


def test_every_place_has_one_type_and_only_words_of_a_structural_schema() -> None:
    for path, place in places(VERSION["schema"]["openAPIV3Schema"]):
        assert place["type"] in {"object", "array", "string", "integer", "number", "boolean"}, path
        assert set(place) <= STRUCTURAL, path
        assert ("properties" in place or "additionalProperties" in place) == (place["type"] == "object"), path
        assert ("items" in place) == (place["type"] == "array"), path


def test_spec_and_status_have_the_keys_of_their_types() -> None:
    for model, schema in ((EndpointSpec, PROPERTIES["spec"]), (EndpointStatus, PROPERTIES["status"])):
        from_pydantic = model.model_json_schema(by_alias=True)
        expected = set(keys_of(from_pydantic, from_pydantic.get("$defs", {})))
        assert {path for path, _ in places(schema) if path and not path.endswith("[]")} == expected


def test_the_lists_of_a_spec_are_bounded_and_know_how_entries_are_told_apart() -> None:
    lists = {path: place for path, place in places(PROPERTIES["spec"]) if place["type"] == "array"}
    assert all("maxItems" in place for place in lists.values())
    kinds = {path: place.get("x-kubernetes-list-type") for path, place in lists.items()}
    assert kinds == {
        ".auth.token.algorithms": "set",
        ".auth.token.requiredScopes": "set",
        ".hosts": "set",
        ".cors.allowOrigins": "set",
        ".versions": "map",
        ".versions[].target.urls": "set",
        ".versions[].target.command": None,
    }


def test_rules_look_only_at_what_is_bounded() -> None:
    """Or API servers refuse the whole definition, for what a rule might cost."""
    for path, place in places(PROPERTIES["spec"]):
        if "x-kubernetes-validations" in place:
            limit = {"string": "maxLength", "array": "maxItems"}.get(place["type"], "type")
            assert limit in place, path
            assert place.get("maxLength", 0) <= 4096, path


def test_columns_are_paths_of_the_status() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [column["name"] for column in columns] == ["Versions", "Default", "Ready", "Busy", "RPS", "Age"]
    known = {f".status{path}": place["type"] for path, place in places(PROPERTIES["status"])}
    for column in columns[:-1]:
        assert known[column["jsonPath"]] == column["type"]


def test_the_name_is_limited_where_the_api_server_allows_it() -> None:
    assert PROPERTIES["metadata"]["properties"]["name"]["maxLength"] == 32


def test_it_is_made_anew_each_time() -> None:
    crd()["spec"].clear()
    assert crd()["spec"]


def test_what_old_kubectl_has_taken_away_is_every_rule() -> None:
    """deploy/kubernetes-1.20 has a JSON patch for it (RFC 6902)."""
    patch = YAML(typ="safe").load(WITHOUT_RULES.read_text())
    definition = crd()
    for operation in patch:
        *way, key = operation["path"].split("/")[1:]
        assert operation["op"] == "remove"
        del reduce(lambda place, step: place[int(step) if isinstance(place, list) else step], way, definition)[key]
    assert definition["spec"]["versions"][0]["schema"]
    assert "x-kubernetes-validations" not in str(definition)
