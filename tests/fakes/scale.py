"""An object with a scale, as an API server keeps it: versions, generations, optimistic locking; and faults on demand.

Takes the place of `lightkube.AsyncClient` for `ScaleSubresource`. `gate` is awaited twice in each call, before the
server acts and before its answer arrives, so a test decides what happens in between. A caller that gives up before the
server has acted leaves its write in `late`: it may still be made.
"""

from collections import deque

import httpx2
from lightkube import ApiError
from lightkube.models.autoscaling_v1 import ScaleSpec, ScaleStatus
from lightkube.models.meta_v1 import ObjectMeta, Status, StatusDetails
from lightkube.resources.apps_v1 import Deployment

from autoscaler.targets.scale_subresource import Edition


def refusal(code, message, reason="", name=None):
    """What an API server refuses with."""
    details = StatusDetails(name=name) if name else None
    return ApiError(status=Status(code=code, message=message, reason=reason, details=details))


def forbidden(verb, group="apps"):
    """RBAC's words."""
    return refusal(
        403,
        f'deployments.{group} "blue" is forbidden: User "system:serviceaccount:maitre:maitre" cannot {verb} '
        f'resource "deployments/scale" in API group "{group}" in the namespace "web"',
        "Forbidden",
    )


SILENCE = httpx2.ReadTimeout("")


class FakeScale:
    def __init__(self, replicas=1, selector="app=blue"):
        self.replicas = replicas
        self.selector = selector
        self.exists = True
        self.life = 1
        self.generation = 1
        self.version = 100
        self.calls = []
        self.faults = deque()  # for each call to come: an error to answer with, or None
        self.events = deque()  # what a watch tells: (edition, version), None when it is gone
        self.late = deque()
        self.acting = lambda replicas: None  # told of a write that is about to be made

    async def gate(self):
        """Overridden by tests that decide when things happen."""

    # -- others ---------------------------------------------------------------------------------------------------

    @property
    def edition(self):
        return Edition(f"uid-{self.life}", str(self.generation))

    def set_by_others(self, replicas):
        if self.exists and replicas != self.replicas:
            self._set(replicas)

    def status_changes(self):
        if self.exists:
            self._happened()

    def delete(self):
        if self.exists:
            self.exists = False
            self.version += 1
            self.events.append(None)

    def create(self, replicas):
        if not self.exists:
            self.exists, self.replicas = True, replicas
            self.life, self.generation = self.life + 1, 1
            self._happened()

    # -- the client -----------------------------------------------------------------------------------------------

    async def get(self, res, name, *, namespace):
        assert (res, name, namespace) == (Deployment.Scale, "blue", "web")
        self.calls.append("get")
        await self.gate()
        self._refuse_as_told()
        answer = self._scale()
        await self.gate()
        return answer

    async def replace(self, obj, name, *, namespace):
        assert (type(obj), name, namespace) == (Deployment.Scale, "blue", "web")
        self.calls.append(f"put {obj.spec.replicas}")
        self.late.append(obj)
        await self.gate()
        self.late.remove(obj)
        self._refuse_as_told()
        answer = self.act(obj)
        await self.gate()
        return answer

    def act(self, obj):
        """Make a write."""
        if not self.exists:
            raise refusal(404, 'deployments.apps "blue" not found', "NotFound", name="blue")
        if obj.metadata.resourceVersion not in (None, str(self.version)):
            raise refusal(409, "the object has been modified", "Conflict")
        self.acting(obj)
        self._set(obj.spec.replicas)
        return self._scale()

    # -- within ---------------------------------------------------------------------------------------------------

    def _refuse_as_told(self):
        if self.faults and (fault := self.faults.popleft()) is not None:
            raise fault

    def _set(self, replicas):
        self.replicas = replicas
        self.generation += 1
        self._happened()

    def _happened(self):
        self.version += 1
        self.events.append((self.edition, str(self.version)))

    def _scale(self):
        if not self.exists:
            raise refusal(404, 'deployments.apps "blue" not found', "NotFound", name="blue")
        return Deployment.Scale(
            metadata=ObjectMeta(name="blue", namespace="web", uid=self.edition.uid, resourceVersion=str(self.version)),
            spec=ScaleSpec(replicas=self.replicas or None),  # 0 is left out
            status=ScaleStatus(replicas=self.replicas, selector=self.selector),
        )
