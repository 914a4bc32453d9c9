"""From the JSON schema that pydantic makes of a type to the structural schema that a custom resource needs.

A structural schema (Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions") is one tree: every value
has its type in the place where it stands, so there are no references, no alternatives and no nulls. Unknown keys need
no word: the API server drops them, or refuses them for clients that ask for it (`fieldValidation: Strict`, as kubectl
does since 1.25; older ones compare with the published schema themselves). Pure; called by `crd.py`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from pydantic import BaseModel

JsonSchema: TypeAlias = dict[str, Any]

_VERBATIM: Final[tuple[str, ...]] = (
    *("type", "format", "enum", "pattern", "required"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
)
_NULL: Final = {"type": "null"}


def structural_schema(model: type[BaseModel]) -> JsonSchema:
    """Raises ValueError where the type says what a structural schema cannot."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    schema = _resolved(schema, definitions)
    if "type" not in schema:
        raise ValueError(f"a structural schema has one type in every place; this has none: {schema}")
    result: JsonSchema = {key: schema[key] for key in _VERBATIM if key in schema}
    if "description" in schema:
        result["description"] = " ".join(schema["description"].split())
    if schema.get("default") is not None:
        result["default"] = _default(schema["default"])
    if "items" in schema:
        result["items"] = _structural(schema["items"], definitions)
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(schema["additionalProperties"], definitions)
    if schema.get("uniqueItems"):
        result["x-kubernetes-list-type"] = "set"
    if "properties" in schema:
        properties = schema["properties"].items()
        result["properties"] = {key: _structural(value, definitions) for key, value in properties}
    return result


def _resolved(schema: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    """With references followed and without "or null"; what is said in the place itself goes before what they say."""
    if "$ref" in schema:
        referred = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _resolved({**referred, **_without(schema, "$ref")}, definitions)
    if "anyOf" in schema:
        (only,) = (option for option in schema["anyOf"] if option != _NULL)
        return _resolved({**only, **_without(schema, "anyOf")}, definitions)
    return schema


def _without(schema: JsonSchema, key: str) -> JsonSchema:
    return {other: value for other, value in schema.items() if other != key}


def _default(value: Any) -> Any:
    """Of a mapping nothing: the defaults of its keys fill it, and cannot differ from those. 1.0 as JSON has it: 1."""
    if isinstance(value, dict):
        return {}
    if isinstance(value, list | tuple):
        return list(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
