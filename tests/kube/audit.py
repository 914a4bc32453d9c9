"""What the API server was asked, by whom: its audit log, read as it grows.

One event per request, when it is answered: a watch is there once it has ended. The line may come a moment after the
answer, so tests wait with `until`.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.fakes.changes import BOUND_S

# writes are kept whole, so that tests can tell what was written; but not the keys
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "serviceaccounts/token"]}]},
        {"level": "RequestResponse", "verbs": ["create", "update", "patch"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class Asked:
    """One request to the API server."""

    user: str
    verb: str
    """get, list, watch, create, update, patch, delete, deletecollection; lower case, as in RBAC rules."""
    group: str
    resource: str
    """Plural; a subresource after a slash, as in RBAC rules: `deployments/scale`."""
    namespace: str
    name: str
    code: int
    at: datetime
    agent: str
    body: dict[str, Any] | None
    """What was sent, for writes of anything but Secrets: an object or a patch."""
    answer: dict[str, Any] | None


class AuditLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._seen: list[Asked] = []

    def events(self, start: int = 0, **wanted: object) -> list[Asked]:
        """All requests from number `start` on with these attributes: `events(user=…, resource="deployments/scale")`."""
        self._read()
        return [each for each in self._seen[start:] if all(getattr(each, key) == wanted[key] for key in wanted)]

    async def until(self, start: int = 0, at_least: int = 1, **wanted: object) -> list[Asked]:
        """The same, as soon as there are that many."""
        async with asyncio.timeout(BOUND_S):
            while len(found := self.events(start, **wanted)) < at_least:
                await asyncio.sleep(0.02)
        return found

    @property
    def length(self) -> int:
        """How many requests there were: pass it as `start` to see only what comes later."""
        self._read()
        return len(self._seen)

    def _read(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._seen.extend(_asked(json.loads(line)) for line in whole.splitlines())


def _asked(event: dict[str, Any]) -> Asked:
    what = event.get("objectRef", {})
    parts = [what.get("resource", ""), what.get("subresource", "")]
    return Asked(
        user=event["user"].get("username", ""),
        verb=event["verb"],
        group=what.get("apiGroup", ""),
        resource="/".join(filter(None, parts)),
        namespace=what.get("namespace", ""),
        name=what.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        at=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        agent=event.get("userAgent", ""),
        body=event.get("requestObject"),
        answer=event.get("responseObject"),
    )
