"""Keeps a sink equal to what the API server has of one kind: list, then watch, for as long as it is let run.

    list       all there is, in pages                        -> sink.replace
    watch      what changes from there on                    -> sink.put, sink.remove
    bookmarks  move the place from which a watch is resumed, so that a quiet kind needs no new list
    410 Gone   the place is too old, or compacted away: list again; what was deleted meanwhile is missing in it
    anything else that fails: say so, pause (doubling, with jitter), and go on from the same place

A watch ends by the server's will, by a cut, or because nothing comes for QUIET_S, and is opened anew at the same place:
that costs one request and loses nothing, and it is how a peer that vanished without a word is noticed. Objects reach
the sink in the order of the server's changes; one that did not change in a new list is in `replace` all the same. The
sink is synchronous and must not raise.

lightkube's own watch asks for no bookmarks and goes on after a 410 without a list, losing deletions; hence this one,
on lightkube's HTTP client and decoders. Run by the composition root, one task for each kind and namespace.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Any, Final, Generic, Protocol, TypeVar

import httpx2
from lightkube import ApiError
from lightkube.core.decoders import decode_list, decode_object, decode_status, decode_watch_event
from lightkube.core.resource import Resource, api_info

from router.kube.client import CALL_FAILED, explain

log = logging.getLogger("maitre.kube")

PAGE: Final = 500
"""Objects in one answer, as client-go has it."""
WATCH_S: Final = 300.0
"""How long the server is asked to keep one watch, and up to half more by chance so that they do not end together."""
QUIET_S: Final = 90.0
"""A bookmark comes every minute."""
LASTED_S: Final = 1.0
"""A watch that stood so long is resumed without a pause, however it ended; of others there are a few in a second."""
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0

T = TypeVar("T", bound=Resource)
T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[T_contra]):
    """Who wants to know. Called on the event loop; objects must not be changed."""

    def replace(self, namespace: str | None, objects: Sequence[T_contra]) -> None:
        """These are all there are in that namespace (None: in all)."""

    def put(self, object: T_contra) -> None:
        """It is new, or changed."""

    def remove(self, object: T_contra) -> None:
        """It is gone; this is what it was."""


class Witness(Protocol):
    """Who is told whether the API server can be asked: `contact.Contact`."""

    def made(self, subject: str) -> None: ...
    def lost(self, subject: str, reason: str) -> None: ...
    def ended(self, subject: str) -> None: ...


class _Gone(Exception):
    """The place from which to watch is no longer there."""


class Reflector(Generic[T]):
    """Follows one kind in one namespace, or in all of them."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        resource: type[T],
        sink: Sink[T],
        *,
        contact: Witness,
        namespace: str | None = None,
        fields: str | None = None,
        labels: str | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
        quiet_s: float = QUIET_S,
    ) -> None:
        """`fields` and `labels` are selectors as the API has them; `draw` gives numbers in [0, 1)."""
        self._http = http
        self._resource = resource
        self._sink = sink
        self._contact = contact
        self._namespace = namespace
        self._path = _path(resource, namespace)
        self._selectors = {"fieldSelector": fields, "labelSelector": labels}
        self._sleep = sleep
        self._draw = draw
        self._now = now
        self._quiet_s = quiet_s
        self._version: str | None = None
        self.subject = api_info(resource).plural + (f" in namespace {namespace}" if namespace else "")
        self.synced = asyncio.Event()
        """Set once the sink has been given everything for the first time."""

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                before, lasted = self._version, False
                try:
                    if self._version is None:
                        self._version = await self._list()
                    lasted = await self._watch()
                except _Gone:
                    log.info("listing anew", extra={"fields": {"subject": self.subject}})
                    lasted = before is not None  # an answer, after which a list is all there is to do, without a pause
                    self._version = None
                except CALL_FAILED as error:
                    self._contact.lost(self.subject, explain(error))
                if lasted or self._version not in (before, None):
                    pause_s = FIRST_PAUSE_S
                if not lasted:
                    await self._sleep(pause_s * (1 + self._draw()) / 2)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            self._contact.ended(self.subject)

    async def _list(self) -> str:
        """All there is; returns the version that it is of."""
        found: list[T] = []
        more: str | None = None
        while True:
            answer = await self._http.get(self._path, params=self._parameters(limit=PAGE, **{"continue": more}))
            _raise_for_status(answer)
            more, version, objects = decode_list(answer.content, self._resource)
            found += objects
            if not more:
                break
        self._sink.replace(self._namespace, found)
        self._contact.made(self.subject)
        self.synced.set()
        return version or "0"

    async def _watch(self) -> bool:
        """Until the server ends it, nothing comes for too long, or it is cut; whether it stood for long enough."""
        parameters = self._parameters(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._version,
            timeoutSeconds=int(WATCH_S * (1 + self._draw() / 2)),
        )
        async with self._http.stream("GET", self._path, params=parameters, timeout=self._patience()) as answer:
            if answer.is_error:
                await answer.aread()
            _raise_for_status(answer)
            self._contact.made(self.subject)
            began = self._now()
            async with aclosing(_lines(answer)) as lines:
                async for line in lines:
                    self._take(line)
        return self._now() - began >= LASTED_S

    def _take(self, line: bytes) -> None:
        event = decode_watch_event(line)
        if event.type == "ERROR":
            status = decode_status(event.object)
            if status.code == HTTPStatus.GONE:
                raise _Gone
            raise ApiError(status=status)
        changed = decode_object(event.object, self._resource)
        match event.type:
            case "ADDED" | "MODIFIED":
                self._sink.put(changed)
            case "DELETED":
                self._sink.remove(changed)
        self._version = changed.metadata.resourceVersion

    def _parameters(self, **more: Any) -> dict[str, Any]:
        return {name: value for name, value in {**self._selectors, **more}.items() if value is not None}

    def _patience(self) -> httpx2.Timeout:
        patience = httpx2.Timeout(self._http.timeout)
        patience.read = self._quiet_s
        return patience

    def __repr__(self) -> str:
        return f"<Reflector {self.subject} at {self._version}>"


def _path(resource: type[Resource], namespace: str | None) -> str:
    about = api_info(resource)
    group, version, _ = about.resource
    return "/".join(
        [
            *(["apis", group] if group else ["api"]),
            version,
            *(["namespaces", namespace] if namespace else []),
            about.plural,
        ]
    )


def _raise_for_status(answer: httpx2.Response) -> None:
    if answer.status_code == HTTPStatus.GONE:
        raise _Gone
    if answer.is_error:
        if "json" in answer.headers.get("content-type", ""):
            raise ApiError(request=answer.request, response=answer)
        answer.raise_for_status()


async def _lines(answer: httpx2.Response) -> AsyncGenerator[bytes]:
    """One event each. Silence and a cut are ends like any other: the watch goes on from where it was."""
    rest = b""
    with suppress(httpx2.TransportError):
        async for piece in answer.aiter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            for line in filter(None, lines):
                yield line
