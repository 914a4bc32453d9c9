"""The JSON that the admin API takes and gives, as the schemas of its OpenAPI document (JSON Schema 2020-12).

Endpoint and version are the types that files have too; what is only the API's is written down here.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from pydantic.json_schema import models_json_schema

from router.admin.requests import KeyToRegenerate, TokenWanted
from router.model.spec import ScoringEndpoint, Version

JsonSchema: TypeAlias = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"


def schemas() -> dict[str, JsonSchema]:
    """By name, in their order."""
    several = _of_types() | _of_answers()
    endpoint = several["ScoringEndpoint"]
    endpoint["required"] = ["apiVersion", "kind", "metadata", "spec"]
    item = {**endpoint, "description": "An endpoint, and its etag as If-Match has it."}
    item["properties"] = {**endpoint["properties"], "etag": _text()}
    several["EndpointInList"] = {**item, "required": [*endpoint["required"], "etag"]}
    version = several["Version"]
    several["VersionToPut"] = {
        **version,
        "description": "A version; its name may be left out, and is that of the path.",
        "required": [key for key in version["required"] if key != "name"],
    }
    return dict(sorted(several.items()))


def reference(name: str) -> JsonSchema:
    return {"$ref": REFERENCE + name}


def _of_types() -> dict[str, JsonSchema]:
    models = [(model, "validation") for model in (ScoringEndpoint, Version, KeyToRegenerate, TokenWanted)]
    _, definitions = models_json_schema(models, by_alias=True, ref_template=REFERENCE + "{model}")  # type: ignore[arg-type]
    return dict(definitions["$defs"])


def _of_answers() -> dict[str, JsonSchema]:
    return {
        "EndpointList": _object(
            items={"type": "array", "items": reference("EndpointInList")}, **{"continue": _text(nullable=True)}
        ),
        "MergePatch": {"type": "object", "description": "RFC 7386: null takes a key away; lists are replaced whole."},
        "Keys": _object(primaryKey=_text(), secondaryKey=_text()),
        "Token": _object(
            access_token=_text(), refresh_after=_whole(), expiry_on=_whole(), token_type={"const": "Bearer"}
        ),
        "Status": _status(),
        "Document": {"type": "object", "description": "OpenAPI 3.1."},
        "Lines": {"type": "string"},
        "EventText": {"type": "string", "description": "event, id and data of each; data is JSON with type and at."},
        "Problem": _problem(),
    }


def _status() -> JsonSchema:
    version = _object(
        name=_text(),
        isDefault={"type": "boolean"},
        type={"enum": ["control", "treatment"]},
        trafficShare={"type": "number", "description": "Percent of the live requests that it gets."},
        state={"enum": ["ready", "starting", "scaled_to_zero", "not_ready"]},
        replicas=_object(current=_whole(), ready=_whole(), busy=_whole()),
        desiredReplicas={"type": ["integer", "null"], "description": "null: nobody sizes it."},
        inFlight=_whole(),
        queued=_whole(),
        utilization={"type": "number", "description": "(in flight + queued) / slots; without slots as with one."},
        lastDecision={"type": ["object", "null"], "description": "The last one that changed the size, and when."},
    )
    status = _object(
        name=_text(),
        namespace=_text(),
        scoringUri=_text(),
        hosts={"type": "array", "items": _text()},
        authMode={"enum": ["key", "token", "none"]},
        configured={
            "type": "boolean",
            "description": "Whether it is served, be it in its newest form or an older one.",
        },
        problems={"type": "array", "items": _text(), "description": "Why its newest form is not in force."},
        conditions={"type": "array", "items": {"type": "object"}},
        versions={"type": "array", "items": version},
    )
    return {**status, "required": ["name", "namespace", "configured", "problems", "versions"]}


def _problem() -> JsonSchema:
    one = _object(key=_text(), value=_text(nullable=True), message=_text(), line=_whole())
    body = _object(
        type=_text(),
        title=_text(),
        status=_whole(),
        detail=_text(),
        code=_text(),
        requestId=_text(),
        error=_object(code=_text(), message=_text(), requestId=_text()),
        problems={"type": "array", "items": {**one, "required": ["key", "value", "message"]}},
    )
    return {**body, "required": [key for key in body["required"] if key != "problems"]}


def _object(**properties: JsonSchema) -> JsonSchema:
    """All of them are there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _text(*, nullable: bool = False) -> JsonSchema:
    return {"type": ["string", "null"] if nullable else "string"}


def _whole() -> JsonSchema:
    return {"type": "integer"}
