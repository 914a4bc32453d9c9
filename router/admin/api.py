"""The admin API: its operations put together, as routes and as the document that describes them.

Called by the composition root, which has the parts that the API asks; the routes go to `app.build_app`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response
from starlette.routing import BaseRoute

from router.admin.auditing import Audit
from router.admin.credential_operations import CredentialOperations
from router.admin.dispatch import Dispatch
from router.admin.editing import Editor
from router.admin.endpoint_operations import EndpointOperations
from router.admin.gate import Gate
from router.admin.observing_operations import ObservingOperations
from router.admin.openapi import document
from router.admin.operations import Answer, Call, Operation, Scope
from router.admin.ports import EventFeed, Logs, Statuses, TokenIssuer
from router.admin.version_operations import VersionOperations
from router.store.writing import EndpointWriter

_DOCUMENT: Final = Answer(HTTPStatus.OK, "This document.", "Document")


@dataclass(frozen=True, slots=True)
class Parts:
    """Whom the API asks."""

    writer: EndpointWriter
    gate: Gate
    audit: Audit
    statuses: Statuses
    tokens: TokenIssuer
    events: EventFeed
    logs: Logs


def api_routes(parts: Parts, default_namespace: str) -> list[BaseRoute]:
    """`default_namespace`: of endpoints whose namespace nobody says."""
    return Dispatch(parts.gate, parts.audit, default_namespace).routes(operations(parts))


def operations(parts: Parts) -> tuple[Operation, ...]:
    editor = Editor(parts.writer, parts.audit)
    several = (
        *EndpointOperations(parts.writer, editor).table(),
        *VersionOperations(editor).table(),
        *CredentialOperations(parts.writer, parts.tokens, parts.audit).table(),
        *ObservingOperations(editor, parts.statuses, parts.events, parts.logs).table(),
    )
    return (*several, _described(several))


def _described(several: tuple[Operation, ...]) -> Operation:
    """The operation that shows the document of the others, and of itself."""

    async def show(_call: Call) -> Response:
        return Response(content, media_type="application/json")

    own = Operation(
        "getDocument", "GET", "/openapi.json", "Describes the API.", show, (_DOCUMENT,), scope=Scope.OPEN
    )  # fmt: skip
    content = orjson.dumps(document((*several, own)))
    return own
