"""What the user wrote, of what an API server stores: without the defaults that it fills in by the schema.

The inverse of structural defaulting (Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions"): filled
in again, the result is what was stored. A default that the user wrote out goes, too; it means the same. Pure; called by
the writer of resources.
"""

from __future__ import annotations

from typing import Any

from router.model.structural import JsonSchema


def without_defaults(value: Any, schema: JsonSchema) -> Any:
    """`value` as stored under `schema`, a structural one."""
    match value:
        case dict():
            properties = schema.get("properties", {})
            bare = {key: without_defaults(inner, properties.get(key, {})) for key, inner in value.items()}
            return {key: inner for key, inner in bare.items() if not _is_default(inner, properties.get(key, {}))}
        case list():
            return [without_defaults(entry, schema.get("items", {})) for entry in value]
        case _:
            return value


def _is_default(bare: Any, schema: JsonSchema) -> bool:
    """Defaults of mappings are empty: those of their keys fill them."""
    return "default" in schema and bare == schema["default"]
