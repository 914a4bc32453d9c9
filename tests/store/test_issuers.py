"""Following issuers with a clock that a test moves: what is published, what is kept, and how often they are asked."""

from __future__ import annotations

import asyncio
import logging
import stat
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from router.errors import KeySetRefused
from router.model.spec import KeySource
from router.store.issuers import Issuers
from router.store.kept_key_sets import KeptKeySets
from router.store.key_fetcher import Fetched
from tests.fakes.clock import FakeClock
from tests.fakes.tokens import key_document, public_jwk

DOCUMENT = key_document(public_jwk(ec.generate_private_key(ec.SECP256R1()), "one"))
ONE, TWO = KeySource("https://one.example", None), KeySource("https://two.example", "https://two.example/keys")


class Fetcher:
    """Issuers that answer, are down, or say nothing."""

    def __init__(self, clock):
        self.clock = clock
        self.answers = {}
        self.silent = asyncio.Event()
        self.asked = []

    async def fetch(self, source):
        self.asked.append((source, self.clock.now()))
        answer = self.answers.get(source)
        if answer is None:
            await self.silent.wait()
        if isinstance(answer, str):
            raise KeySetRefused(answer)
        return Fetched(answer, None)

    def times(self, source):
        return [at for each, at in self.asked if each == source]


class Stage:
    def __init__(self, state_dir):
        self.kept = KeptKeySets(state_dir)
        self.clock = FakeClock()
        self.fetcher = Fetcher(self.clock)
        self.published = []
        self.issuers = Issuers(
            self.fetcher,
            self.kept,
            lambda source, document: self.published.append((source, document)),
            now=self.clock.now,
            draw=lambda: 1.0,
            wait=self._wait,
        )

    async def _wait(self, waiting, seconds):
        """`asyncio.wait_for`, by the clock of the test."""
        event, sleep = asyncio.ensure_future(waiting), asyncio.ensure_future(self.clock.sleep(seconds))  # noqa: TID251
        try:
            done, _ = await asyncio.wait({event, sleep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (event, sleep):
                each.cancel()
        if event not in done:
            raise TimeoutError


@pytest.fixture
async def stage(tmp_path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.issuers.run())
        yield stage
        running.cancel()


async def test_fetched_at_once_and_published_when_it_is_another(stage):
    stage.fetcher.answers[ONE] = b"keys"
    stage.issuers.want([ONE])
    await stage.issuers.settled(5)
    assert stage.published == [(ONE, b"keys")]
    await stage.clock.advance(3600)
    assert stage.fetcher.times(ONE) == [1000, 4600]
    assert stage.published == [(ONE, b"keys")]
    stage.fetcher.answers[ONE] = b"others"
    await stage.clock.advance(3600)
    assert stage.published == [(ONE, b"keys"), (ONE, b"others")]


async def test_an_issuer_that_is_down_keeps_its_keys(stage, caplog):
    caplog.set_level(logging.INFO, "maitre.store")
    stage.fetcher.answers[ONE] = b"keys"
    stage.issuers.want([ONE])
    await stage.issuers.settled(5)
    stage.fetcher.answers[ONE] = "cannot be reached"
    await stage.clock.advance(2 * 3600)
    (problem,) = stage.issuers.problems()
    assert problem == (
        "issuer https://one.example: its keys cannot be fetched (those that are known stay in force): cannot be reached"
    )
    assert stage.published == [(ONE, b"keys")], "and nobody was told to forget them"
    assert caplog.text.count("cannot be fetched") == 1, "once, not every minute"
    stage.fetcher.answers[ONE] = b"keys"
    await stage.clock.advance(60)
    assert stage.issuers.problems() == ()


async def test_an_issuer_that_never_answered_is_a_problem_until_it_does(stage):
    stage.fetcher.answers[ONE] = "cannot be reached"
    stage.issuers.want([ONE])
    await stage.issuers.settled(5)
    assert "(no token of it is admitted)" in stage.issuers.problems()[0]
    stage.fetcher.answers[ONE] = b"keys"
    await stage.clock.advance(1)
    assert (stage.issuers.problems(), stage.published) == ((), [(ONE, b"keys")])


async def test_a_slow_one_holds_up_no_other(stage):
    stage.fetcher.answers[TWO] = b"keys"
    stage.issuers.want([ONE, TWO])
    await stage.clock.advance(0)
    assert stage.published == [(TWO, b"keys")]
    stage.fetcher.answers[ONE] = b"late"
    stage.fetcher.silent.set()


async def test_a_storm_of_unknown_keys_is_one_fetch_a_minute(stage):
    stage.fetcher.answers[ONE] = b"keys"
    stage.issuers.want([ONE])
    await stage.issuers.settled(5)
    for _ in range(600):
        await stage.clock.advance(0.5)
        stage.issuers.unknown_key(ONE)
    assert stage.fetcher.times(ONE) == [1000, 1060, 1120, 1180, 1240, 1300]


async def test_an_unknown_key_after_a_quiet_time_is_fetched_in_the_same_turn(stage):
    stage.fetcher.answers[ONE] = b"keys"
    stage.issuers.want([ONE])
    await stage.issuers.settled(5)
    await stage.clock.advance(600)
    stage.fetcher.answers[ONE] = b"rotated"
    stage.issuers.unknown_key(ONE)
    await stage.clock.advance(0)
    assert stage.published[-1] == (ONE, b"rotated")


async def test_who_is_named_no_more_is_let_go_and_asked_no_more(stage):
    stage.fetcher.answers |= {ONE: b"keys", TWO: b"keys"}
    stage.issuers.want([ONE, TWO])
    await stage.issuers.settled(5)
    stage.issuers.want([TWO])
    assert stage.published[-1] == (ONE, None)
    stage.issuers.unknown_key(ONE)
    await stage.clock.advance(3600)
    assert (len(stage.fetcher.times(ONE)), len(stage.fetcher.times(TWO))) == (1, 2)


async def test_a_start_waits_only_so_long(stage):
    stage.issuers.want([ONE])
    await stage.issuers.settled(0.01)
    assert stage.published == []
    stage.fetcher.answers[ONE] = b"late"
    stage.fetcher.silent.set()


async def test_a_router_that_starts_while_an_issuer_is_down_uses_what_the_one_before_had(stage, caplog):
    stage.kept.write(ONE, DOCUMENT)
    stage.fetcher.answers |= {ONE: "cannot be reached", TWO: "cannot be reached"}
    stage.issuers.want([ONE, TWO])
    await stage.issuers.settled(5)
    assert stage.published == [(ONE, DOCUMENT)]
    told = {"one" in problem: problem for problem in stage.issuers.problems()}
    assert "known stay in force" in told[True]
    assert "no token of it is admitted" in told[False]


async def test_what_cannot_be_kept_is_used_and_said(stage, tmp_path, caplog):
    (tmp_path / "issuers").write_text("a file where the directory should be")
    stage.fetcher.answers[ONE] = DOCUMENT
    stage.issuers.want([ONE])
    await stage.issuers.settled(5)
    assert stage.published == [(ONE, DOCUMENT)]
    assert "cannot be kept for the next start" in caplog.text


def test_kept_key_sets(tmp_path):
    kept = KeptKeySets(tmp_path / "state")
    assert kept.read(ONE) is None
    kept.write(ONE, b"spoilt")
    assert kept.read(ONE) is None
    kept.write(ONE, DOCUMENT)
    assert (kept.read(ONE), kept.read(TWO)) == (DOCUMENT, None)
    (path,) = (tmp_path / "state" / "issuers").iterdir()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]
