"""One workload in a cluster: its size and its pods' selector, and what stands in the way of scaling it.

Kept up to date by `workloads`; asked, and told to scale, by the version that owns it. What was known stays known when
the API server is away, and the selector stays when the workload is gone: its pods are matched as long as they last.
Fits the autoscaler's `ScaleTarget`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, Protocol

from autoscaler.errors import HandsOff, ScaleFailed, Why
from autoscaler.targets.scale_subresource import Client, ScaleSubresource
from router.discovery.sighting import Sighting
from router.model.spec import DeploymentTarget


class Listener(Protocol):
    """Who owns a workload. Called on the event loop, only when something has changed; nothing here waits."""

    def found(self, replicas: int) -> None:
        """The workload is there, with this size: for the first time, or again."""

    def lost(self) -> None:
        """It was deleted. `current` says the last size."""

    def selects(self, selector: str) -> None:
        """These are its pods, in the API's string form of selectors; never empty."""

    def scaled_by_others(self, before: int, after: int) -> None:
        """A foreign hand changed the size. It is adopted already."""

    def hpa_changed(self, hpa: str | None) -> None:
        """A HorizontalPodAutoscaler of this name scales it: hands off; None: none does any more."""

    def failure_changed(self, failure: str | None) -> None:
        """Its controller cannot make the replicas that are asked for, and says so (a quota); None: it can again."""

    def problem_changed(self, problem: str | None) -> None:
        """Why it cannot be read, and so not be scaled; None: it can again."""


class _Source(IntEnum):
    """Where a problem comes from; the first one that there is is told."""

    KIND = 0
    OBJECT = 1
    SCALE = 2
    HPAS = 3
    SIZE = 4


NO_SELECTOR: Final = (
    "its scale tells no selector, so its pods cannot be found: its controller has not set it yet, or its "
    "CustomResourceDefinition has no labelSelectorPath"
)
"""What is wrong with a custom resource while its pods cannot be found."""


class Workload:
    """Made by `Workloads.follow`."""

    def __init__(
        self,
        namespace: str,
        target: DeploymentTarget,
        listener: Listener,
        *,
        client: Client,
        may_write: Callable[[], bool],
        stale: Callable[[Workload], None],
    ) -> None:
        """`stale(self)` is called when `read` is due."""
        self.namespace = namespace
        self.target = target
        self.hpa: str | None = None
        """The HorizontalPodAutoscaler that scales it."""
        self.failure: str | None = None
        """Why its controller cannot make the replicas that are asked for."""
        self.selector: str | None = None
        """Of its pods; None until it is known."""
        self.settled = asyncio.Event()
        """Set once it is known, or a problem is."""
        self._listener = listener
        self._client = client
        self._may_write = may_write
        self._stale = stale
        self._scale: ScaleSubresource | None = None
        self._hpas_known = False
        self._was_known = False
        self._problems: dict[_Source, str] = {}

    def __str__(self) -> str:
        return f"{self.target.kind} {self.namespace}/{self.target.name}"

    def __repr__(self) -> str:
        return f"<Workload {self} {self._scale!r} hpa={self.hpa} problem={self.problem!r}>"

    # -- for the version that owns it ---------------------------------------------------------------------------------

    @property
    def known(self) -> bool:
        """Whether its size is known and it is there, and so is what scales it besides. Else it is not to be scaled."""
        return self._scale is not None and self._scale.known and self._hpas_known

    @property
    def problem(self) -> str | None:
        """Why it cannot be read or scaled, in words for the user."""
        return self._problems[min(self._problems)] if self._problems else None

    def current(self) -> int:
        """The size asked for; while that is not known the last one that was, or 0."""
        return self._scale.current() if self._scale else 0

    async def scale(self, replicas: int) -> None:
        """Ask for a size. Raises ScaleFailed, NotLeading or HandsOff; see `ScaleSubresource.scale`."""
        if self.hpa is not None:
            raise HandsOff(f"{self} is scaled by the HorizontalPodAutoscaler {self.hpa}")
        if self._scale is None:
            raise ScaleFailed(f"{self}: {self.problem or 'its kind is being looked up'}", Why.NOT_FOUND)
        try:
            await self._scale.scale(replicas)
        except ScaleFailed as error:
            if error.why in (Why.REFUSED, Why.QUOTA_EXCEEDED):  # what is not there, is told by itself
                self._hinder(_Source.SIZE, str(error))
            raise
        else:
            self._hinder(_Source.SIZE, None)
        finally:
            self._learn()

    # -- for `workloads` ----------------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        return self._scale is not None and self._scale.stale

    def resolved(self, resource: type[Any]) -> None:
        """Its kind is known."""
        self._scale = ScaleSubresource(
            self._client,
            resource.Scale,
            self.namespace,
            self.target.name,
            called=str(self),
            may_write=self._may_write,
            foreign=self._listener.scaled_by_others,
        )

    def kind_unusable(self, problem: str | None) -> None:
        """Its kind cannot be followed; None: it can."""
        self._hinder(_Source.KIND, problem)

    def seen(self, sighting: Sighting | None) -> None:
        """The object, as the watch has it; None: there is none. Not before it is `resolved`."""
        if self._scale is None:
            return
        if sighting is None:
            self._scale.gone()
            self._hinder(_Source.OBJECT, f"{self} does not exist")
            self._hinder(_Source.SCALE, None)
            self._hinder(_Source.SIZE, None)
        else:
            self._scale.seen(sighting.edition, sighting.version)
            self._hinder(_Source.OBJECT, None)
        self._fail(sighting.failure if sighting else None)
        self._learn()

    async def read(self) -> bool:
        """The scale anew; whether that went well."""
        if self._scale is None:
            return True
        try:
            await self._scale.read()
        except ScaleFailed as error:
            self._hinder(_Source.SCALE, str(error))
            return False
        finally:
            self._learn()
        self._hinder(_Source.SCALE, None if self.selector else f"{self}: {NO_SELECTOR}")
        return True

    def scaled_by(self, hpa: str | None) -> None:
        """The HorizontalPodAutoscaler that names it, now that all of them are known."""
        if hpa != self.hpa:
            self.hpa = hpa
            self._listener.hpa_changed(hpa)
        self._hpas_known = True
        self._hinder(_Source.HPAS, None)
        self._learn()

    def hpas_unknown(self, problem: str) -> None:
        """Whether something else scales it cannot be known."""
        self._hinder(_Source.HPAS, problem)

    def _learn(self) -> None:
        """Tell what changed in the scale."""
        scale = self._scale
        if scale is None:
            return
        if scale.selector and scale.selector != self.selector:
            self.selector = scale.selector
            self._listener.selects(scale.selector)
        if self.known != self._was_known:
            self._was_known = self.known
            if self.known:
                self.settled.set()
                self._listener.found(scale.current())
            else:
                self._listener.lost()
        if scale.stale:
            self._stale(self)

    def _fail(self, failure: str | None) -> None:
        if failure != self.failure:
            self.failure = failure
            self._listener.failure_changed(failure)

    def _hinder(self, source: _Source, problem: str | None) -> None:
        before = self.problem
        if problem is None:
            self._problems.pop(source, None)
        else:
            self._problems[source] = problem
            self.settled.set()
        if self.problem != before:
            self._listener.problem_changed(self.problem)
