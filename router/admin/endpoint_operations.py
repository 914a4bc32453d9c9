"""Operations on whole endpoints: list, create, show, put, patch, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse, Response

from router.admin import errors
from router.admin.answers import gone, made, shown
from router.admin.bodies import JSON, MERGE_PATCH
from router.admin.editing import Editor, addressed
from router.admin.merge_patch import merge
from router.admin.operations import PREFIX, Answer, Body, Call, Operation, Scope
from router.admin.paging import DEFAULT_LIMIT, MAX_LIMIT, page
from router.admin.parameters import NAMESPACE, Text, Whole
from router.admin.preconditions import quoted
from router.store.writing import EndpointWriter, Resource

_SEVERAL: Final = f"{PREFIX}/endpoints"
_ONE: Final = f"{PREFIX}/endpoints/{{endpoint}}"
_SHOWN: Final = Answer(HTTPStatus.OK, "The endpoint.", "ScoringEndpoint", etag=True)
_MADE: Final = Answer(HTTPStatus.CREATED, "The endpoint, which is new.", "ScoringEndpoint", etag=True, location=True)
_PAGE: Final = (
    NAMESPACE,
    Whole("limit", "How many at most.", 1, MAX_LIMIT, DEFAULT_LIMIT),
    Text("continue", "The word of the page before; absent: the first page.", max_length=1000),
)


class EndpointOperations:
    def __init__(self, writer: EndpointWriter, editor: Editor) -> None:
        self._writer = writer
        self._editor = editor

    def table(self) -> tuple[Operation, ...]:
        body = Body("ScoringEndpoint")
        patch = Body("MergePatch", (MERGE_PATCH, JSON))
        the_list = Answer(HTTPStatus.OK, "One page, in the order of namespaces and names.", "EndpointList")
        return (
            Operation(
                "listEndpoints", "GET", _SEVERAL, "Lists endpoints.", self._list, (the_list,),
                verb="list", scope=Scope.SEVERAL, query=_PAGE,
            ),
            Operation(
                "createEndpoint", "POST", _SEVERAL, "Makes an endpoint.", self._create, (_MADE,),
                verb="create", scope=Scope.NEW, query=(NAMESPACE,), body=body, refusals=(errors.EXISTS,),
            ),
            Operation(
                "getEndpoint", "GET", _ONE, "Shows an endpoint.", self._show, (_SHOWN,), query=(NAMESPACE,),
            ),
            Operation(
                "putEndpoint", "PUT", _ONE, "Replaces an endpoint, or makes it (which needs the verb create too).",
                self._put, (_SHOWN, _MADE), verb="update", query=(NAMESPACE,), body=body, conditional=True,
            ),
            Operation(
                "patchEndpoint", "PATCH", _ONE, "Changes an endpoint by a merge patch (RFC 7386); lists are replaced "
                "whole.", self._patch, (_SHOWN,), verb="patch", query=(NAMESPACE,), body=patch, conditional=True,
            ),
            Operation(
                "deleteEndpoint", "DELETE", _ONE, "Deletes an endpoint with its versions, and the keys that were made "
                "for it.", self._delete, (Answer(HTTPStatus.NO_CONTENT, "It is gone."),), verb="delete",
                query=(NAMESPACE,), conditional=True,
            ),
        )  # fmt: skip

    async def _list(self, call: Call) -> Response:
        namespace = call.access.namespace
        stored = [each for each in await self._writer.all() if namespace in {None, each.key[0]}]
        items, following = page(stored, call.query["continue"], call.query["limit"])
        shown_items = [{**each.resource, "etag": quoted(each.etag)} for each in items]
        return JSONResponse({"items": shown_items, "continue": following})

    async def _create(self, call: Call) -> Response:
        return made(await self._editor.create(call, _placed(call)))

    async def _show(self, call: Call) -> Response:
        return shown(await self._editor.read(call.key))

    async def _put(self, call: Call) -> Response:
        def may_create() -> object:
            return call.admit(call.access._replace(verb="create"))

        before, after = await self._editor.put(call, addressed(call.body, call.key), may_create)
        return made(after) if before is None else shown(after)

    async def _patch(self, call: Call) -> Response:
        _, after = await self._editor.change(call, lambda before: addressed(merge(before, call.body), call.key))
        return shown(after)

    async def _delete(self, call: Call) -> Response:
        await self._editor.delete(call)
        return gone()


def _placed(call: Call) -> Resource:
    """The body with the namespace that it goes to."""
    metadata = call.body.get("metadata")
    if not isinstance(metadata, dict):
        return call.body  # which is told with all else that is wrong with it
    return {**call.body, "metadata": {**metadata, "namespace": call.key[0]}}
