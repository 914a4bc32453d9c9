"""Missing Secrets are made, once, by the leader."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube import ApiError
from lightkube.models.meta_v1 import Status
from lightkube.resources.core_v1 import Secret

from router.store.key_maker import (
    AT_ONCE,
    ECHO_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    REPLACED_S,
    KeyMaker,
    Plan,
    secret_of,
)
from router.store.keys import KeyPair
from router.store.keys_in_force import MissingSecret, Owner
from router.store.secrets import SecretKey
from tests.fakes.clock import FakeClock


def missing(name: str, *owners: str) -> MissingSecret:
    return MissingSecret(("web", name), tuple(Owner(("web", owner), f"uid-{owner}") for owner in owners or (name,)))


def test_the_secret_goes_with_its_owners():
    secret = secret_of(missing("keys", "one", "two"), KeyPair("primary-key-0123", "secondary-key-0123")).to_dict()
    assert secret["metadata"] == {
        "name": "keys",
        "namespace": "web",
        "labels": {"app.kubernetes.io/managed-by": "maitre"},
        "ownerReferences": [
            {
                "apiVersion": "maitre.dev/v1alpha1",
                "kind": "ScoringEndpoint",
                "name": name,
                "uid": f"uid-{name}",
                "blockOwnerDeletion": False,
                "controller": False,
            }
            for name in ("one", "two")
        ],
    }
    assert secret["type"] == "Opaque"
    assert {name: base64.b64decode(value).decode() for name, value in secret["data"].items()} == {
        "primaryKey": "primary-key-0123",
        "secondaryKey": "secondary-key-0123",
    }


def test_pauses_grow_and_end_with_the_wish():
    plan, now, pauses = Plan(), 100.0, []
    plan.want([missing("one")], now)
    for _ in range(8):
        assert plan.due(now) == [missing("one")]
        plan.failed(("web", "one"), now, u=1.0)
        assert plan.due(now) == []
        pauses.append(plan.wait_s(now))
        now += pauses[-1]
    assert pauses == [FIRST_PAUSE_S * 2**n for n in range(6)] + [LONGEST_PAUSE_S] * 2
    plan.want([], now)
    assert plan.wait_s(now) is None
    plan.failed(("web", "one"), now, u=1.0)
    plan.want([missing("one")], now)
    assert plan.due(now) == [missing("one")]


def test_the_owners_of_now():
    plan = Plan()
    plan.want([missing("one")], 0.0)
    plan.want([missing("one", "other")], 1.0)
    assert plan.due(0.0) == [missing("one", "other")]


def test_whoever_deletes_a_secret_has_time_to_replace_it():
    plan, deleted = Plan(), replace(missing("one"), urgent=False)
    plan.want([deleted], 100.0)
    assert plan.due(100.0) == []
    plan.want([deleted], 104.0)
    assert plan.wait_s(104.0) == REPLACED_S - 4.0
    assert plan.due(100.0 + REPLACED_S) == [deleted]


def test_an_endpoint_without_any_keys_does_not_wait_for_that():
    plan = Plan()
    plan.want([replace(missing("one"), urgent=False)], 100.0)
    plan.want([missing("one", "new")], 101.0)
    assert plan.due(101.0) == [missing("one", "new")]


@given(st.lists(st.sampled_from(["want", "drop", "made", "failed", "wait"]), max_size=30))
def test_what_is_wanted_is_always_tried_again(steps):
    plan, now, wanted = Plan(), 0.0, False
    for step in steps:
        match step:
            case "want" | "drop":
                wanted = step == "want"
                plan.want([missing("one")] if wanted else [], now)
            case "made":
                plan.made(("web", "one"), now)
            case "failed":
                plan.failed(("web", "one"), now, u=0.5)
            case "wait":
                now += plan.wait_s(now) or 0.0
                assert plan.due(now) == ([missing("one")] if wanted else [])
        assert (plan.wait_s(now) is not None) == wanted
        assert (plan.wait_s(now) or 0.0) <= LONGEST_PAUSE_S


class Server:
    """Takes Secrets, or refuses them; stands for the client."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.there: dict[str, Secret] = {}
        self.running = self.most_running = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def create(self, secret: Secret) -> Secret:
        self.asked.append(secret.metadata.name)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.running -= 1
        self.there[secret.metadata.name] = secret
        return secret


class Store:
    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.missing: list[MissingSecret] = []
        self.reasons: list[tuple[str, str | None]] = []

    def want(self, *missing: MissingSecret) -> None:
        self.missing = list(missing)
        self.news.set()

    def missing_secrets(self) -> list[MissingSecret]:
        return self.missing

    def could_not_make(self, key: SecretKey, reason: str | None) -> None:
        self.reasons.append((key[1], reason))


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.server = Server()
        self.store = Store()
        self.told: list[tuple[Any, ...]] = []

    async def wait(self, work: Any, seconds: float | None) -> None:
        """`wait_for` by the clock of the test."""
        tasks = [asyncio.get_running_loop().create_task(work)]
        if seconds is not None:
            tasks.append(asyncio.get_running_loop().create_task(self.clock.sleep(seconds)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                raise TimeoutError
        finally:
            for task in tasks:
                task.cancel()

    def tell(self, *words: Any) -> None:
        self.told.append(words)

    def start(self) -> asyncio.Task[None]:
        maker = KeyMaker(self.server, self.store, tell=self.tell, now=self.clock.now, draw=lambda: 1.0, wait=self.wait)
        return asyncio.get_running_loop().create_task(maker.run())


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    task = bench.start()
    yield bench
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_what_is_missing_is_made(bench):
    bench.store.want(missing("one"))
    await bench.clock.settle()
    assert list(bench.server.there) == ["one"]
    assert bench.store.reasons == [("one", None)]
    assert bench.told == [(("web", "one"), "KeysMade", "the Secret one with two new keys")]
    bench.store.want(missing("one"))
    await bench.clock.advance(ECHO_S / 2)
    assert bench.server.asked == ["one"], "its event is on its way"
    bench.store.want()
    bench.store.want(missing("two"))
    await bench.clock.settle()
    data = [bench.server.there[name].data for name in ("one", "two")]
    assert len({value for each in data for value in each.values()}) == 4, "no key twice"


async def test_what_somebody_else_made_stands(bench):
    bench.server.error = ApiError(status=Status(code=409, reason="AlreadyExists", message="exists"))
    bench.store.want(missing("one"))
    await bench.clock.settle()
    assert bench.store.reasons == [("one", None)]
    assert bench.told == []


async def test_what_is_refused_is_told_and_tried_again(bench):
    bench.server.error = ApiError(status=Status(code=403, reason="Forbidden", message="exceeded quota"))
    bench.store.want(missing("one"))
    await bench.clock.settle()
    assert bench.store.reasons == [("one", "Forbidden: exceeded quota")]
    bench.store.want(missing("one"))
    await bench.clock.settle()
    assert bench.server.asked == ["one"], "news of something else are no reason to try again"
    bench.server.error = None
    await bench.clock.advance(FIRST_PAUSE_S)
    assert bench.server.asked == ["one", "one"]
    assert bench.store.reasons[-1] == ("one", None)


async def test_a_thousand_are_made_a_few_at_a_time(bench):
    bench.server.gate.clear()
    bench.store.want(*(missing(f"m{number}") for number in range(1000)))
    await bench.clock.settle()
    assert bench.server.running == AT_ONCE
    bench.server.gate.set()
    for _ in range(100):
        await bench.clock.settle()
    assert len(bench.server.there) == 1000
    assert bench.server.most_running == AT_ONCE


async def test_a_term_ends_in_the_middle_of_a_call(bench):
    """The next one begins with what is missing then."""
    bench.server.gate.clear()
    bench.store.want(missing("one"))
    task = bench.start()
    await bench.clock.settle()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    bench.server.gate.set()
    task = bench.start()
    await bench.clock.settle()
    assert "one" in bench.server.there
    task.cancel()
    await asyncio.wait({task})
