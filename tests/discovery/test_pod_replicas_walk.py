"""Whatever happens to the pods, and in whatever order the router hears of it: on the roster is what is to be there."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.discovery.parking import PARK_S
from router.discovery.pod import MARK, Pod, State
from router.discovery.selectors import Selector
from tests.discovery.stage import Stage
from tests.fakes.pods import seen

NAMES = st.sampled_from("abcd")
APPS = st.sampled_from(["blue", "green"])
SELECTORS = st.sampled_from(["app=blue", "app in (blue,green)", "app!=green"])


class Walk(RuleBasedStateMachine):
    """The model: the pods as the router saw them last, and until when each is parked under which mark."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stage = Stage()
        self.selector, self.port = Selector.parse("app=blue"), 5001
        self.stage.replicas.follow("default", self.selector, self.port)
        self.seen: dict[str, Pod] = {}
        self.parked: dict[str, tuple[str, float]] = {}
        self.asked_for = 0
        self.relieved: set[str] = set()  # on the roster, of choices before: replicas
        self.numbers = iter(range(10**6))

    # -- the world ----------------------------------------------------------------------------------------------------

    @rule(name=NAMES, state=st.sampled_from(State), app=APPS, heard=st.booleans())
    def change(self, name, state, app, heard):
        pod = self.stage.api.pods.get(name)
        uid = pod["metadata"]["uid"] if pod else f"{name}{next(self.numbers)}"
        self.stage.change(name, state, app, uid=uid)
        if heard:
            self.hear(name)

    @rule(name=NAMES)
    def delete(self, name):
        self.stage.api.pods.pop(name, None)

    @rule(name=NAMES, mark=st.sampled_from(["1 you", "2 you", None]), heard=st.booleans())
    def mark(self, name, mark, heard):
        """By another router that leads."""
        if (pod := self.stage.api.pods.get(name)) is not None:
            others = {key: value for key, value in pod["metadata"]["annotations"].items() if key != MARK}
            pod["metadata"]["annotations"] = others | ({MARK: mark} if mark else {})
            if heard:
                self.hear(name)

    @rule(seconds=st.sampled_from([0.5, 4.0, PARK_S]))
    def pass_time(self, seconds):
        async def passing():
            self.stage.loop.pass_time(seconds)

        self.perform(passing())
        self.parked = {uid: each for uid, each in self.parked.items() if each[1] > self.stage.loop.now}

    # -- what the router hears ----------------------------------------------------------------------------------------

    @rule(name=NAMES)
    def hear(self, name):
        pod = self.stage.api.pods.get(name)
        if pod is not None:
            self.stage.tell(name)
            self.take(name, pod)
        elif name in self.seen:
            last = {"metadata": {"name": name, "namespace": "default", "uid": self.seen[name].uid}}
            self.stage.board.remove(seen(last))
            self.forget(name)

    @rule()
    def list_anew(self):
        pods = self.stage.api.pods
        self.stage.board.replace(None, list(map(seen, pods.values())))
        for name, pod in pods.items():
            self.take(name, pod)
        for name in self.seen.keys() - pods.keys():
            self.forget(name)

    # -- what the owner says ------------------------------------------------------------------------------------------

    @rule(selector=SELECTORS, port=st.sampled_from([5001, 5002]))
    def follow(self, selector, port):
        before, self.selector, self.port = self.matching(), Selector.parse(selector), port
        self.relieved = set(self.stage.roster.seats)
        self.stage.replicas.follow("default", self.selector, port)
        after = self.matching()
        for uid in before.keys() - after:
            self.parked.pop(uid, None)
        for uid in after.keys() - before:
            self.news(after[uid], None)

    @rule(replicas=st.integers(0, 4))
    def expect(self, replicas):
        self.asked_for = replicas
        self.stage.replicas.expecting(replicas)

    @rule(wished=st.integers(0, 4))
    def shrink(self, wished):
        staying = [pod for pod in self.matching().values() if pod.state.counts]
        chosen = max(0, len(staying) - wished)
        going = self.stage.replicas.prepare_shrink(wished)
        before = set(self.stage.roster.seats)
        self.perform(going)
        assert len(self.stage.replicas._parking) == chosen
        taken = before - set(self.stage.roster.seats)
        assert len(taken) <= chosen
        until = self.stage.loop.now + PARK_S
        self.parked = {uid: (mark, until) for uid, (mark, _) in self.stage.replicas._parking._parked.items()}
        assert self.parked.keys() <= {pod.uid for pod in staying}

    @rule()
    def cancel(self):
        async def cancelling():
            self.stage.replicas.cancel_shrink()

        self.perform(cancelling())
        self.parked = {}

    @precondition(lambda self: any(MARK in pod["metadata"]["annotations"] for pod in self.stage.api.pods.values()))
    @rule()
    def leave_no_mark(self):
        """Once everything was heard, calling off a shrink leaves no mark on a pod that is to stay."""
        self.list_anew()
        self.cancel()
        here = self.matching()
        for pod in self.stage.api.pods.values():
            if pod["metadata"]["uid"] in here and here[pod["metadata"]["uid"]].state.counts:
                assert MARK not in pod["metadata"]["annotations"]

    # -- the model ----------------------------------------------------------------------------------------------------

    def take(self, name: str, whole: dict[str, Any]) -> None:
        before, pod = self.seen.get(name), Pod.of(seen(whole))
        if before is not None and before.uid != pod.uid:
            self.forget(name)
            before = None
        self.seen[name] = pod
        if not self.selector.matches(pod.labels):
            self.parked.pop(pod.uid, None)
        else:
            known = before is not None and self.selector.matches(before.labels)
            self.news(pod, before.mark if known else None)

    def news(self, pod: Pod, before: str | None) -> None:
        if not pod.state.counts:
            self.parked.pop(pod.uid, None)
        elif pod.mark != before:
            if pod.mark is None:
                if self.parked.get(pod.uid, ("",))[0] == before:
                    del self.parked[pod.uid]
            elif pod.mark.endswith(" you"):
                self.parked[pod.uid] = (pod.mark, self.stage.loop.now + PARK_S)

    def forget(self, name: str) -> None:
        self.parked.pop(self.seen.pop(name).uid, None)

    def matching(self) -> dict[str, Pod]:
        return {pod.uid: pod for pod in self.seen.values() if self.selector.matches(pod.labels)}

    def perform(self, work) -> None:
        """Until all is written that is to be written."""

        async def performing():
            await work
            while self.stage.replicas._erasing:
                await asyncio.sleep(0)

        self.runner.run(performing())

    @invariant()
    def the_roster_is_right(self):
        here = self.matching()
        on_it = {u: p for u, p in here.items() if p.state is State.READY and u not in self.parked}
        seats = self.stage.roster.seats
        wanted = {pod.replica: (pod.ip, self.port, None) for pod in on_it.values()}
        assert wanted.items() <= seats.items()
        more = seats.keys() - wanted.keys()
        ready = [pod.replica for pod in self.seen.values() if pod.state is State.READY]
        assert more <= self.relieved & set(ready)
        assert len(more) <= max(0, max(1, self.asked_for) - self.stage.replicas.ready)
        self.relieved = more

    @invariant()
    def the_numbers_are_right(self):
        states = [pod.state for pod in self.matching().values()]
        replicas = self.stage.replicas
        assert replicas.ready == states.count(State.READY)
        assert replicas.unschedulable == states.count(State.UNSCHEDULABLE)
        assert replicas.unready == states.count(State.STARTING) + replicas.unschedulable
        missing = self.asked_for > replicas.ready + replicas.unready
        assert self.stage.roster.coming == (missing or replicas.unready > 0 or bool(self.parked))

    def teardown(self):
        self.perform(self.stage.replicas.close())
        assert self.stage.roster.seats == {}
        assert not self.stage.roster.coming
        self.runner.close()


TestWalk = Walk.TestCase
TestWalk.settings = settings(deadline=None, stateful_step_count=40, max_examples=60)
