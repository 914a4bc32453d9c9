"""A little API server for one kind: lists in pages, watches from a version, forgets old versions, is cut.

It keeps what it was asked. Objects are ConfigMaps in namespace `default`, since what they hold does not matter here.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.replica import Call, Replica
from tests.fakes.wire import LAST_CHUNK, chunk, reply

JSON = "content-type: application/json"
STREAM = f"HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n".encode()


def configmap(name: str, version: int) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"version": str(version)}}


def a_list(*objects: dict[str, Any], version: int, more: str | None = None) -> bytes:
    """The answer to a list, or one page of it."""
    metadata = {"resourceVersion": str(version)} | ({"continue": more} if more else {})
    body = {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": objects}
    return reply(json.dumps(body).encode(), 200, JSON)


def status(code: int, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def refusal(code: int, reason: str, message: str = "") -> bytes:
    return reply(json.dumps(status(code, reason, message)).encode(), code, JSON)


def event(type: str, object: dict[str, Any]) -> bytes:
    """A line of a watch, as a chunk."""
    return chunk(json.dumps({"type": type, "object": object}).encode() + b"\n")


def bookmark(version: int) -> bytes:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    return event("BOOKMARK", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def asked(call: Call) -> dict[str, str]:
    """The parameters of a request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(call.target).query).items()}


class ApiServer:
    """What it has, and its history since it was last compacted."""

    def __init__(self, page: int = 2) -> None:
        self.replica = Replica(self._answer)
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 1
        self._page = page
        self._history: list[tuple[int, bytes]] = []
        self._oldest = 1
        self._open: set[Call] = set()

    # -- what happens to it -------------------------------------------------------------------------------------------

    def put(self, name: str) -> None:
        self.version += 1
        type = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = configmap(name, self.version)
        self._happened(event(type, self.objects[name]))

    def remove(self, name: str) -> None:
        if name in self.objects:
            self.version += 1
            gone = self.objects.pop(name)
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._happened(event("DELETED", gone))

    def compact(self) -> None:
        """Forgets everything but the present, and ends the watches that had not come so far."""
        self._oldest = self.version
        self._history.clear()
        self.cut()

    def cut(self) -> None:
        """Resets every connection on which a watch is."""
        for call in self._open:
            call.reset()
        self.replica.changes.happened()

    def bookmark(self) -> None:
        """A version passes in which nothing of this kind changed."""
        self.version += 1
        self._happened(bookmark(self.version))

    def _happened(self, line: bytes) -> None:
        self._history.append((self.version, line))
        self.replica.changes.happened()

    # -- what it answers ----------------------------------------------------------------------------------------------

    async def _answer(self, call: Call) -> None:
        parameters = asked(call)
        if parameters.get("watch") == "true":
            await self._watch(call, int(parameters["resourceVersion"]))
        else:
            await call.send(self._listing(parameters))

    def _listing(self, parameters: dict[str, str]) -> bytes:
        """Pages are of the version of the first one; a later one is refused when that was compacted away.

        Real ones show the objects as they were then. This one has no past, so it refuses what is not of now.
        """
        version, start = map(int, parameters.get("continue", f"{self.version}:0").split(":"))
        if version != self.version:
            return refusal(410, "Expired", "the provided continue parameter is too old")
        names = sorted(self.objects)
        page, rest = names[start : start + self._page], names[start + self._page :]
        more = f"{version}:{start + self._page}" if rest else None
        return a_list(*(self.objects[name] for name in page), version=version, more=more)

    async def _watch(self, call: Call, since: int) -> None:
        if since < self._oldest:
            await call.send(refusal(410, "Expired", f"too old resource version: {since}"))
            return
        await call.send(STREAM)
        self._open.add(call)
        try:
            while not call.closed:
                for version, line in [each for each in self._history if each[0] > since]:
                    await call.send(line)
                    since = version
                await self.replica.changes.until(lambda seen=since: call.closed or self.version > seen)
        except TimeoutError:
            await call.send(LAST_CHUNK)
        finally:
            self._open.discard(call)
