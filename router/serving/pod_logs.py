"""What pods print, read through the API server: of each its last lines, then, for who follows, those that come.

Who follows is told of pods that come later, too. A log that breaks off (a container or an API server is restarted) goes
on where it was: lines bear the kubelet's time, and what was seen is not told again. In a line of the router itself `-`
stands for the pod: a log that cannot be read is told there, once while it lasts.

Called by `deployment`, on the event loop. Nothing of it is kept here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import httpx2
from lightkube import ApiError

from router.discovery.output import LineCutter
from router.discovery.pod import Pod, State
from router.discovery.pods import PodBoard
from router.discovery.selectors import Selector
from router.kube.client import CALL_FAILED, TIMEOUT_S, explain
from router.serving.lines import line_reader, lines_of

AGAIN_S: Final = 1.0
"""Between two attempts at a log."""
ROUTER: Final = "-"

_STAMPED: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z (.*)", re.DOTALL)
"""RFC 3339 with up to nine digits of a second, as the kubelet writes it with `timestamps=true`."""


class Which(NamedTuple):
    """Whose logs. Of several containers that is meant which has the port; else the first."""

    namespace: str
    selector: Selector
    port: int


class PodLogs:
    def __init__(self, http: httpx2.AsyncClient, board: PodBoard) -> None:
        """`http` is nobody else's: who follows a log holds a connection."""
        self._http = http
        self._board = board

    def read(self, which: Which, tail: int, *, follow: bool) -> PodReading:
        """`tail`: lines of each pod."""
        return PodReading(self._http, self._board, which, tail, follow=follow)


class PodReading:
    """By one reader. The board's `Subscriber`."""

    def __init__(self, http: httpx2.AsyncClient, board: PodBoard, which: Which, tail: int, *, follow: bool) -> None:
        self._http = http
        self._which = which
        self._tail = tail
        self._follow = follow
        self._reader = line_reader(lambda _reader: None)
        self._subscription = board.subscribe(which.namespace, which.selector, self)
        self._following: dict[str, asyncio.Task[None]] = {}
        """By uid of the pod."""

    async def lines(self) -> AsyncGenerator[str, None]:
        """Once. Each `POD LINE`."""
        pods = sorted(self._subscription.pods(), key=lambda pod: pod.name)
        try:
            if not self._follow:
                for pod in pods:
                    async with aclosing(self._past(pod)) as lines:
                        async for line in lines:
                            yield line
                return
            for pod in pods:
                self._begin(pod, self._tail)
            async for line in lines_of(self._reader):
                yield line
        finally:
            self.close()
            await asyncio.gather(*self._following.values(), return_exceptions=True)

    def close(self) -> None:
        """Nothing more comes. Can be called again."""
        self._subscription.close()
        self._reader.close()
        for task in self._following.values():
            task.cancel()

    # -- what the board says ------------------------------------------------------------------------------------------

    def put(self, pod: Pod) -> None:
        """One that comes later is read from its first line on."""
        if self._follow:
            self._begin(pod, None)

    def gone(self, pod: Pod) -> None:
        task = self._following.pop(pod.uid, None)
        if task is not None:
            task.cancel()

    # -- within -------------------------------------------------------------------------------------------------------

    def _begin(self, pod: Pod, tail: int | None) -> None:
        if pod.uid not in self._following and pod.state is not State.UNSCHEDULABLE:
            work = self._follow_one(pod, tail)
            self._following[pod.uid] = asyncio.get_running_loop().create_task(work, name=f"log of {pod.name}")

    async def _past(self, pod: Pod) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(self._log(pod, self._asking(self._tail))) as lines:
                async for _, line in lines:
                    yield f"{pod.name} {line}"
        except CALL_FAILED as error:
            if not _not_yet(error):
                yield _unread(pod, error)

    async def _follow_one(self, pod: Pod, tail: int | None) -> None:
        last, told = "", ""
        while True:
            try:
                async with aclosing(self._log(pod, self._asking(tail, since=last))) as lines:
                    async for at, line in lines:
                        if at > last or not at:
                            last = max(last, at)
                            self._reader.put((pod.name, line))
                told = ""
            except CALL_FAILED as error:
                words = "" if _not_yet(error) else _unread(pod, error)
                if words and words != told:
                    router, _, said = words.partition(" ")
                    self._reader.put((router, said))
                told = words
            await asyncio.sleep(AGAIN_S)

    def _asking(self, tail: int | None, since: str = "") -> dict[str, str]:
        asked = {"timestamps": "true"}
        if self._follow:
            asked["follow"] = "true"
        if since:
            asked["sinceTime"] = f"{since}Z"
        elif tail is not None:
            asked["tailLines"] = str(tail)
        return asked

    async def _log(self, pod: Pod, asked: Mapping[str, str]) -> AsyncGenerator[tuple[str, str], None]:
        """Lines with the times they bear, of the same length each, without the Z; empty where one is the rest of a line
        that was too long. Raises what `CALL_FAILED` has."""
        url = f"api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        found = await self._http.get(url)
        _require_ok(found)
        params = {**asked, "container": _container(found.json(), self._which.port)}
        timeout = httpx2.Timeout(TIMEOUT_S, read=None if self._follow else TIMEOUT_S)
        cutter = LineCutter()
        async with self._http.stream("GET", f"{url}/log", params=params, timeout=timeout) as response:
            if response.is_error:
                await response.aread()
                _require_ok(response)
            async for piece in response.aiter_bytes():
                for line in cutter.feed(piece):
                    yield _stamped(line)
            for line in cutter.rest():
                yield _stamped(line)


def _require_ok(response: httpx2.Response) -> None:
    if response.is_error and "json" in response.headers.get("content-type", ""):
        raise ApiError(request=response.request, response=response)
    response.raise_for_status()


def _container(pod: Mapping[str, Any], port: int) -> str:
    containers: list[dict[str, Any]] = pod["spec"]["containers"]
    ours = (each for each in containers if any(at.get("containerPort") == port for at in each.get("ports") or ()))
    name: str = next(ours, containers[0])["name"]
    return name


def _stamped(line: str) -> tuple[str, str]:
    found = _STAMPED.fullmatch(line)
    if found is None:
        return "", line
    return f"{found[1]}.{(found[2] or '').ljust(9, '0')}", found[3]


def _not_yet(error: Exception) -> bool:
    """400 is what a container has that waits to start, and a pod without a node."""
    return isinstance(error, ApiError) and error.status.code == HTTPStatus.BAD_REQUEST


def _unread(pod: Pod, error: Exception) -> str:
    return f"{ROUTER} maitre: the log of {pod.name} cannot be read: {explain(error)}"
