"""A version whose replicas are pods, with the API server behind it and a clock that stands still until it is moved."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

from router.discovery.marks import Marker
from router.discovery.pod import MARK, State
from router.discovery.pod_replicas import PodReplicas
from router.discovery.pods import PodBoard
from router.kube.writes import Writes
from tests.fakes.pods import PodApi, PodRoster, manifest, seen


class StandingLoop:
    """The running loop but for its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[SimpleNamespace] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback):
        timer = SimpleNamespace(when=when, callback=callback)
        timer.cancel = lambda: timer in self.timers and self.timers.remove(timer)
        self.timers.append(timer)
        return timer

    def create_task(self, work, name):
        return asyncio.get_running_loop().create_task(work, name=name)

    def pass_time(self, seconds: float) -> None:
        """Stops on the way where a timer is due."""
        end = self.now + seconds
        while due := [each for each in self.timers if each.when <= end]:
            timer = min(due, key=lambda each: each.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = end


class Stage:
    """What the router sees of the API server's pods is said by `tell`."""

    def __init__(self) -> None:
        self.api, self.board, self.roster, self.loop = PodApi(), PodBoard(), PodRoster(), StandingLoop()
        marker = Marker(self.api, writes=Writes(), leading=lambda: True, wall=lambda: datetime.now(UTC), name="me")
        self.replicas = PodReplicas("digits/blue", roster=self.roster, board=self.board, marker=marker, loop=self.loop)

    def put(self, name: str, state: State = State.READY, app: str = "blue", **more) -> None:
        """Changed by somebody, and seen."""
        self.change(name, state, app, **more)
        self.tell(name)

    def change(self, name: str, state: State = State.READY, app: str = "blue", uid: str = "", **more) -> None:
        """Marks stay on it while it is the same pod."""
        before = self.api.pods.get(name)
        pod = self.api.pods[name] = manifest(name, state, {"app": app}, uid=uid, **more)
        if before is not None and before["metadata"]["uid"] == pod["metadata"]["uid"]:
            pod["metadata"]["annotations"] = before["metadata"]["annotations"] | pod["metadata"]["annotations"]

    def tell(self, name: str) -> None:
        self.board.put(seen(self.api.pods[name]))

    def remove(self, name: str) -> None:
        self.board.remove(seen(self.api.pods.pop(name)))

    @property
    def names(self) -> list[str]:
        """Of the pods that are on the roster."""
        return sorted(replica.partition("/")[0] for replica in self.roster.seats)

    @property
    def marked(self) -> list[str]:
        return sorted(name for name, pod in self.api.pods.items() if MARK in pod["metadata"]["annotations"])
