"""One workload's size in a cluster, through its `scale` subresource, whatever kind it is of.

What is known is a size (`spec.replicas`), the version of the object that it was of, and its edition. A write has the
version in it, so the API server refuses it (409) once the object has changed. Then the scale is read again:

    the size is as it was, something else changed (the status, as a rule)   -> the write is made again
    somebody else has changed the size                                      -> his is adopted, nothing is written

In the second case `foreign` is told, `scale` returns, and `current` has his size: whoever decides then decides anew.
So no foreign size is ever overwritten that had not been adopted before.

Whoever watches the object tells `seen` of each change of it, and `gone`; when `stale` is True after that, a `read` is
due. It is due when the edition is another one: the generation counts changes of the specification, so a change of the
status costs no read, and moves only the version on, which spares the next write its 409. Neither does our own write
cost a read: its answer has told the version under which its event comes.

A write that is not answered (time-out, cancelled, connection lost) may have been made all the same. If its size is
found later, it counts as ours.

Invariants: reads and writes of one object never overlap; `may_write` is asked right before each write is sent. Fits the
autoscaler's `ScaleTarget`. Made by whoever watches workloads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol

from lightkube import ApiError
from lightkube.models.autoscaling_v1 import Scale, ScaleSpec
from lightkube.models.meta_v1 import ObjectMeta

from autoscaler.errors import NotLeading, ScaleFailed
from autoscaler.targets.answers import CALL_FAILED, scale_failed

CONFLICTS: Final = 5
"""In a row, before a write is given up for now: as many as client-go's retry.DefaultRetry has steps."""


class Client(Protocol):
    """What is needed of `lightkube.AsyncClient`."""

    def get(self, res: type[Any], name: str, *, namespace: str) -> Awaitable[Any]: ...
    def replace(self, obj: Any, name: str, *, namespace: str) -> Awaitable[Any]: ...


class Edition(NamedTuple):
    """Which specification of which object: equal ones have equal sizes."""

    uid: str
    generation: str

    @classmethod
    def of(cls, uid: str, generation: int | None, version: str) -> Edition:
        """From the metadata of an object. Kinds without a generation have a new edition with each version."""
        return cls(uid, version if generation is None else str(generation))


class _Attempt(NamedTuple):
    """A size to write, and the version that it is to replace: once the object has another one, it cannot be made."""

    replicas: int
    version: str


class ScaleSubresource:
    """`resource` is the class of the subresource (`Deployment.Scale`). `foreign(before, after)` is told on the loop."""

    def __init__(
        self,
        client: Client,
        resource: type[Any],
        namespace: str,
        name: str,
        *,
        called: str,
        may_write: Callable[[], bool],
        foreign: Callable[[int, int], None],
    ) -> None:
        """`called` is what the user calls the workload: `Deployment web/digits-blue`."""
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._name = name
        self._called = called
        self._may_write = may_write
        self._foreign = foreign
        self._busy = asyncio.Lock()
        self._lives = 0  # how often the object was gone: what was asked in an earlier life says nothing of this one
        self._replicas = 0
        self._version: str | None = None
        self._edition: Edition | None = None
        self._latest: Edition | None = None
        self._own: str | None = None  # the version that our last write made, until its event has come
        self._passing: dict[str, Edition] | None = None  # what comes by while a write is under way
        self._unanswered: set[_Attempt] = set()
        self.selector = ""
        """Of the pods, in the API's string form; empty while the workload tells none."""
        self.stale = False
        """Whether a read is due."""

    def __repr__(self) -> str:
        size = self._replicas if self.known else "unknown"
        return f"<ScaleSubresource {self._called} replicas={size} version={self._version}>"

    @property
    def known(self) -> bool:
        """Whether the size was read, and the object is not known to be gone since."""
        return self._version is not None

    def current(self) -> int:
        """The size last read or written; when it is not known, the last one that was (0: there was none)."""
        return self._replicas

    def seen(self, edition: Edition, version: str) -> None:
        """The object, as the watch has it: in the order of its changes, but perhaps later than reads and writes."""
        if self._latest is not None and self._latest.uid != edition.uid:
            self.gone()
        self._latest = edition
        if self._passing is not None:
            self._passing[version] = edition
        elif version == self._own:
            self._edition, self._own = edition, None
        elif edition != self._edition or not self.selector:
            self.stale = True
        elif self._own is None and self.known:
            # Never newer than the size: the specification is the same. Perhaps older: that only costs a conflict.
            self._version = version

    def gone(self) -> None:
        """The object was deleted: what will be found under its name next is another one."""
        self._lives += 1
        self._version = self._edition = self._latest = self._own = None
        self.stale = False

    async def read(self) -> None:
        """Find the size and the selector. Raises ScaleFailed; then the read is still due."""
        async with self._busy:
            await self._read()

    async def scale(self, replicas: int) -> None:
        """Ask for a size. Returns without having written when another size was found than was known.

        Raises NotLeading, or ScaleFailed; then it may have been made all the same if the reason is NO_ANSWER.
        """
        decided_on = self._replicas if self.known else None  # before waiting for a read that is under way
        async with self._busy:
            for _ in range(CONFLICTS):
                if self._version is None:
                    await self._read()
                if self._version is None or self._replicas != decided_on:
                    return
                if replicas == decided_on or await self._write(_Attempt(replicas, self._version)):
                    return
                await self._read()
        raise ScaleFailed(f"{self._called} changes too fast: {CONFLICTS} writes in a row came too late")

    async def _read(self) -> None:
        life, edition = self._lives, self._latest  # before asking: what is answered is at least as new
        self.stale = False
        try:
            scale = await self._client.get(self._resource, self._name, namespace=self._namespace)
        except CALL_FAILED as error:
            self.stale = self._latest is not None
            raise scale_failed(error, self._called) from error
        if life == self._lives:
            self._edition, self._own = edition, None
            self._found(scale)

    async def _write(self, attempt: _Attempt) -> bool:
        """Whether it was made; False: the object had changed."""
        life, is_new = self._lives, attempt not in self._unanswered
        if not self._may_write():
            raise NotLeading(f"{self._called} is left to the one that leads")
        self._unanswered.add(attempt)
        self._passing = {}
        try:
            answer = await self._client.replace(self._wished(attempt), self._name, namespace=self._namespace)
        except CALL_FAILED as error:
            code = (error.status.code or 0) if isinstance(error, ApiError) else 0
            if is_new and 400 <= code < 500:  # refused: surely not made
                self._unanswered.discard(attempt)
            if code == HTTPStatus.CONFLICT:
                return False
            raise scale_failed(error, self._called) from error
        else:
            if life == self._lives:
                self._made(answer)
            return True
        finally:
            self._look_back()

    def _wished(self, attempt: _Attempt) -> Scale:
        metadata = ObjectMeta(name=self._name, namespace=self._namespace, resourceVersion=attempt.version)
        wished: Scale = self._resource(metadata=metadata, spec=ScaleSpec(replicas=attempt.replicas))
        return wished

    def _made(self, answer: Scale) -> None:
        """Our write: its event comes still, or has come already."""
        self._own = self._take(answer)
        self._unanswered.clear()
        if self._passing and self._own in self._passing:
            self._edition, self._own = self._passing[self._own], None

    def _look_back(self) -> None:
        """At what came by during a write."""
        passed, self._passing = self._passing, None
        if passed and self._latest != self._edition:
            self.stale = True

    def _found(self, scale: Scale) -> None:
        """What a read gave."""
        known, before = self.known, self._replicas
        version = self._take(scale)
        ours = any(attempt.replicas == self._replicas for attempt in self._unanswered)
        self._unanswered = {attempt for attempt in self._unanswered if attempt.version == version}
        if known and self._replicas != before and not ours:
            self._foreign(before, self._replicas)

    def _take(self, scale: Scale) -> str:
        """The scale as the API server has it; returns its version."""
        self._replicas = (scale.spec.replicas if scale.spec else None) or 0  # 0 is left out by the API server
        self.selector = (scale.status.selector if scale.status else None) or ""
        self._version = (scale.metadata.resourceVersion if scale.metadata else None) or ""
        return self._version
