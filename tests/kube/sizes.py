"""The sizes that maitre has written, as the audit log of the API server has them."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from tests.fakes.changes import BOUND_S
from tests.kube.audit import AuditLog


class Sizes:
    """Of the workloads in one namespace, in the order of the writes."""

    def __init__(self, audit: AuditLog, namespace: str) -> None:
        self._audit = audit
        self._start = audit.length
        self._wanted = {"verb": "update", "code": 200, "namespace": namespace}
        self._wanted["user"] = f"system:serviceaccount:{namespace}:maitre"

    def __call__(self, workload: str, plural: str = "deployments") -> list[int]:
        """0 is left out of what the API server answers."""
        written = self._audit.events(self._start, resource=f"{plural}/scale", name=workload, **self._wanted)
        return [write.answer["spec"].get("replicas", 0) for write in written]

    def at(self, workload: str, plural: str = "deployments") -> list[datetime]:
        """When the API server received them."""
        written = self._audit.events(self._start, resource=f"{plural}/scale", name=workload, **self._wanted)
        return [write.at for write in written]

    async def until(self, workload: str, true: Callable[[list[int]], bool], plural: str = "deployments") -> list[int]:
        try:
            async with asyncio.timeout(BOUND_S):
                while not true(found := self(workload, plural)):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise TimeoutError(f"sizes of {workload}: {self(workload, plural)}") from None
        return found
