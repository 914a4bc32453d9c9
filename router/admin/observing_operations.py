"""Operations that only look: how an endpoint is doing, what its replicas print, what happens."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse, Response

from router.admin import errors
from router.admin.editing import Editor
from router.admin.event_stream import EVENT_STREAM, EventStream, Wanted
from router.admin.line_stream import LineStream
from router.admin.operations import PREFIX, Answer, Call, Operation, Scope
from router.admin.parameters import NAMESPACE, Among, Flag, Text, Whole
from router.admin.ports import EventFeed, Logs, Statuses

_ONE: Final = f"{PREFIX}/endpoints/{{endpoint}}"
_STATUS: Final = Answer(HTTPStatus.OK, "How it is doing just now.", "Status")
_LINES: Final = Answer(HTTPStatus.OK, "Lines, each REPLICA LINE.", "Lines", "text/plain")
_EVENTS: Final = Answer(HTTPStatus.OK, "Server-sent events, without end.", "EventText", EVENT_STREAM)
TYPES: Final = ("decision", "configuration", "ejection")
_WHICH: Final = (
    NAMESPACE,
    Text("endpoint", "Only what is about this endpoint; absent: all.", r"^[a-z]([-a-z0-9]*[a-z0-9])?$", 32),
    Among("types", "What is wanted, with commas between; absent: all of them.", TYPES),
)
_TAIL: Final = (
    NAMESPACE,
    Whole("tail", "How many lines of the past.", 0, 5000, 100),
    Flag("follow", "Whether to go on with the lines that come."),
)


class ObservingOperations:
    def __init__(self, editor: Editor, statuses: Statuses, events: EventFeed, logs: Logs) -> None:
        self._editor = editor
        self._statuses = statuses
        self._events = events
        self._logs = logs

    def table(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "getStatus", "GET", f"{_ONE}/status", "How an endpoint is doing.", self._status, (_STATUS,),
                part="status", query=(NAMESPACE,),
            ),
            Operation(
                "getLogs", "GET", f"{_ONE}/versions/{{version}}/logs", "What the replicas of a version print.",
                self._lines, (_LINES,), part="log", query=_TAIL, refusals=(errors.NO_LOGS,),
            ),
            Operation(
                "followEvents", "GET", f"{PREFIX}/events", "What happens: scale decisions, configuration in force or "
                "refused, replicas ejected. Last-Event-ID has what was missed told first, as far as it is kept.",
                self._follow, (_EVENTS,), verb="watch", scope=Scope.SEVERAL, query=_WHICH, replays=True,
            ),
        )  # fmt: skip

    async def _status(self, call: Call) -> Response:
        status = self._statuses.status(call.key)
        if status is not None:
            return JSONResponse(dict(status))
        await self._editor.read(call.key)
        namespace, name = call.key
        unknown = {"name": name, "namespace": namespace, "configured": False, "problems": [], "versions": []}
        return JSONResponse(unknown)

    async def _lines(self, call: Call) -> Response:
        follow = call.query["follow"] and not call.only_head
        lines = self._logs.lines(call.key, call.version, call.query["tail"], follow)
        return LineStream(lines)

    async def _follow(self, call: Call) -> Response:
        wanted = Wanted(call.query["types"], call.access.namespace, call.query["endpoint"])
        after = _number(call.last_event_id)
        if call.only_head:
            return Response(media_type=EVENT_STREAM)
        return EventStream(self._events.subscribe(after), wanted)


def _number(text: str | None) -> int | None:
    """Of an event; None for what is none of ours, as if it were not there."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 18 else None
