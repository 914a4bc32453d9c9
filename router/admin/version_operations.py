"""Operations on one version of an endpoint. Each change is one of the endpoint, by the rules of `changes`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from router.admin import errors
from router.admin.answers import gone, made, shown
from router.admin.bodies import JSON, MERGE_PATCH
from router.admin.changes import delete_version, has_version, patch_version, put_version, version_of
from router.admin.editing import Editor
from router.admin.operations import PREFIX, Answer, Body, Call, Operation
from router.admin.parameters import NAMESPACE, Text

_ONE: Final = f"{PREFIX}/endpoints/{{endpoint}}/versions/{{version}}"
_VERSION: Final = Answer(HTTPStatus.OK, "The version. The etag is that of its endpoint.", "Version", etag=True)
_SHOWN: Final = Answer(HTTPStatus.OK, "The endpoint with the version.", "ScoringEndpoint", etag=True)
_MADE: Final = Answer(
    HTTPStatus.CREATED, "The endpoint with the version, which is new.", "ScoringEndpoint", etag=True, location=True
)
_HEIR: Final = Text("newDefault", "The version that is to be the default from now on.", max_length=32)


class VersionOperations:
    def __init__(self, editor: Editor) -> None:
        self._editor = editor

    def table(self) -> tuple[Operation, ...]:
        taken = (errors.DEFAULT_VERSION,)
        patch = Body("MergePatch", (MERGE_PATCH, JSON))
        return (
            Operation(
                "getVersion", "GET", _ONE, "Shows a version.", self._show, (_VERSION,), query=(NAMESPACE,),
            ),
            Operation(
                "putVersion", "PUT", _ONE, "Makes a version, or replaces it; isDefault: true and type: control take "
                "the mark from the version that has it.", self._put, (_SHOWN, _MADE), verb="update",
                query=(NAMESPACE,), body=Body("VersionToPut"), conditional=True, refusals=taken,
            ),
            Operation(
                "patchVersion", "PATCH", _ONE, "Changes a version by a merge patch (RFC 7386); marks as with PUT.",
                self._patch, (_SHOWN,), verb="patch", query=(NAMESPACE,), body=patch, conditional=True, refusals=taken,
            ),
            Operation(
                "deleteVersion", "DELETE", _ONE, "Deletes a version; the default only with a newDefault.",
                self._delete, (Answer(HTTPStatus.NO_CONTENT, "It is gone."),), verb="update", query=(NAMESPACE, _HEIR),
                conditional=True, refusals=(*taken, errors.LAST_VERSION, errors.INVALID),
            ),
        )  # fmt: skip

    async def _show(self, call: Call) -> Response:
        stored = await self._editor.read(call.key)
        return shown(stored, dict(version_of(stored.resource, call.version)))

    async def _put(self, call: Call) -> Response:
        name, body = call.version, call.body
        before, after = await self._editor.change(call, lambda resource: put_version(resource, name, body))
        if has_version(before.resource, name):
            return shown(after)
        return made(after, name)

    async def _patch(self, call: Call) -> Response:
        name, body = call.version, call.body
        _, after = await self._editor.change(call, lambda resource: patch_version(resource, name, body))
        return shown(after)

    async def _delete(self, call: Call) -> Response:
        name, heir = call.version, call.query["newDefault"]
        await self._editor.change(call, lambda resource: delete_version(resource, name, heir))
        return gone()
