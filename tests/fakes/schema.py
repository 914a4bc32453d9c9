"""What an API server makes of a custom resource by its schema: prunes it, and fills in defaults.

`tests/kube/test_crd.py` holds this against a real one.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def stored(value: Any, schema: Schema) -> Any:
    """Without nulls and unknown keys, with defaults."""
    match schema["type"]:
        case "object" if "properties" in schema:
            properties = schema["properties"]
            given = {key: value[key] for key in value if key in properties and value[key] is not None}
            defaults = {key: place["default"] for key, place in properties.items() if "default" in place}
            return {key: stored(inner, properties[key]) for key, inner in {**defaults, **given}.items()}
        case "array":
            return [stored(entry, schema["items"]) for entry in value]
        case _:
            return value
