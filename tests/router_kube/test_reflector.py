"""A sink stays equal to what the API server has, whatever happens on the way there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightkube.resources.core_v1 import ConfigMap

from router.kube.contact import Contact
from router.kube.reflector import FIRST_PAUSE_S, LASTED_S, LONGEST_PAUSE_S, Reflector
from tests.fakes.api_server import STREAM, ApiServer, a_list, asked, bookmark, configmap, event, refusal, status
from tests.fakes.changes import Changes
from tests.fakes.replica import Call, Replica, Script
from tests.fakes.wire import LAST_CHUNK, chunk, reply

GONE = status(410, "Expired", "too old resource version: 7 (9)")


class Sink:
    """What the reflector made of it: version by name, and what it was told in order."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.told: list[str] = []
        self.changes = Changes()

    def replace(self, namespace: str | None, objects: Sequence[ConfigMap]) -> None:
        assert namespace == "default"
        self.known = {}
        for each in objects:
            self._keep(each)
        self._tell("=" + ",".join(self.known))

    def put(self, object: ConfigMap) -> None:
        self._keep(object)
        self._tell("+" + object.metadata.name)

    def remove(self, object: ConfigMap) -> None:
        del self.known[object.metadata.name]
        self._tell("-" + object.metadata.name)

    def _keep(self, object: ConfigMap) -> None:
        assert object.data == {"version": object.metadata.resourceVersion}
        self.known[object.metadata.name] = object.metadata.resourceVersion

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self.changes.happened()

    async def until(self, *told: str) -> None:
        await self.changes.until(lambda: len(self.told) >= len(told))
        assert self.told == list(told)


class Bench:
    """A reflector that follows a server of the test; pauses are noted and take no time."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.now = 0.0
        self.pauses: list[float] = []
        self.contact = Contact(lambda: self.now)
        self.reflector: Reflector[ConfigMap]
        self.step_s = 0.0
        """How much time seems to pass between two looks at the clock."""
        self.looks = 0

    def clock(self) -> float:
        self.now += self.step_s
        self.looks += 1
        self.sink.changes.happened()
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.sink.changes.happened()
        await asyncio.sleep(0.001)  # others are on the same loop

    @property
    def problems(self) -> list[str]:
        return list(self.contact.problems())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looked at whenever the sink is told something or a pause begins."""
        await self.sink.changes.until(condition)


@asynccontextmanager
async def following(server: Replica, quiet_s: float = 60.0) -> AsyncIterator[Bench]:
    bench = Bench()
    await server.start()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        bench.reflector = Reflector(
            http,
            ConfigMap,
            bench.sink,
            contact=bench.contact,
            namespace="default",
            labels="app=x",
            fields="type!=y",
            sleep=bench.sleep,
            draw=lambda: 0.5,
            now=bench.clock,
            quiet_s=quiet_s,
        )
        task = asyncio.get_running_loop().create_task(bench.reflector.run())
        try:
            yield bench
        finally:
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled(), task
            await server.stop()


async def hang(call: Call) -> None:
    await call.gone()


def scripted(*steps: bytes | Callable[[Call], object]) -> Replica:
    """Answers call by call; what comes after the last step is left waiting."""
    left = list(steps)

    async def script(call: Call) -> None:
        step = left.pop(0) if left else hang
        if isinstance(step, bytes):
            await call.send(step)
        else:
            await step(call)  # type: ignore[misc]

    return Replica(script)


def watch(*lines: bytes, then: str = "wait") -> Script:
    """A watch with these lines. Then it stays open, ends, or is cut."""

    async def script(call: Call) -> None:
        await call.send(STREAM + b"".join(lines))
        match then:
            case "wait":
                await call.gone()
            case "end":
                await call.send(LAST_CHUNK)
            case "cut":
                await call.body()
                call.close()

    return script


def versions(server: Replica) -> list[str | None]:
    """From where each request wanted to go on; None for a list."""
    return [asked(call).get("resourceVersion") for call in server.calls]


async def test_pages_are_one_list():
    server = scripted(
        a_list(configmap("a", 3), configmap("b", 2), version=7, more="next"), a_list(configmap("c", 5), version=7)
    )
    async with following(server) as bench:
        await bench.sink.until("=a,b,c")
        await server.called(3)
        assert bench.reflector.synced.is_set()
    first, second, third = server.calls
    assert first.target.startswith("/api/v1/namespaces/default/configmaps?")
    assert asked(first) == {"labelSelector": "app=x", "fieldSelector": "type!=y", "limit": "500"}
    assert asked(second) == asked(first) | {"continue": "next"}
    assert asked(third) == {
        "labelSelector": "app=x",
        "fieldSelector": "type!=y",
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "7",
        "timeoutSeconds": "375",
    }


async def test_events_in_their_order():
    a, b = configmap("a", 8), configmap("b", 9)
    lines = [event("ADDED", a), event("ADDED", b), event("MODIFIED", configmap("a", 10)), event("DELETED", b)]
    server = scripted(a_list(version=7), watch(*lines))
    async with following(server) as bench:
        await bench.sink.until("=", "+a", "+b", "+a", "-b")
        assert bench.sink.known == {"a": "10"}
        assert bench.problems == []


async def test_events_in_any_pieces():
    data = b"".join(json.dumps({"type": "ADDED", "object": configmap(name, 8)}).encode() + b"\n" for name in "abc")
    pieces = [chunk(data[start : start + 7]) for start in range(0, len(data), 7)]
    async with following(scripted(a_list(version=7), watch(*pieces))) as bench:
        await bench.sink.until("=", "+a", "+b", "+c")


@pytest.mark.parametrize("then", ["end", "cut"])
async def test_a_watch_goes_on_from_the_last_version(then):
    server = scripted(
        a_list(version=7),
        watch(event("ADDED", configmap("a", 8)), then=then),
        watch(bookmark(12), then=then),
        watch(event("ADDED", configmap("b", 13))),
    )
    async with following(server) as bench:
        await bench.sink.until("=", "+a", "+b")
        assert versions(server) == [None, "7", "8", "12"]
        assert bench.problems == [], "an end, or a cut, is no loss of contact"


async def test_a_cut_in_the_middle_of_an_event():
    whole = event("ADDED", configmap("a", 8))
    server = scripted(a_list(version=7), watch(whole[:50], then="cut"), watch(whole))
    async with following(server) as bench:
        await bench.sink.until("=", "+a")
        assert versions(server) == [None, "7", "7"]


@pytest.mark.parametrize(
    "gone",
    [refusal(410, "Expired"), watch(event("ERROR", GONE)), reply(b"too old", 410)],
    ids=["status", "event", "text"],
)
async def test_gone_means_a_new_list(gone):
    server = scripted(
        a_list(configmap("a", 3), configmap("b", 2), version=7), gone, a_list(configmap("b", 9), version=9)
    )
    async with following(server) as bench:
        await bench.sink.until("=a,b", "=b")
        await server.called(4)
        assert versions(server) == [None, "7", None, "9"]
        assert bench.problems == []


async def test_gone_after_a_while_away_means_a_list_at_once():
    """However long the pauses have grown: the server was away, is back, and has forgotten."""
    away = refusal(503, "ServiceUnavailable")
    server = scripted(a_list(version=7), *[away] * 8, refusal(410, "Expired"), a_list(configmap("a", 9), version=9))
    async with following(server) as bench:
        await bench.sink.until("=", "=a")
        assert len(bench.pauses) == 8


async def test_a_server_that_has_always_forgotten_is_not_asked_in_a_flood():
    server = scripted(*[a_list(version=7), refusal(410, "Expired")] * 5)
    async with following(server) as bench:
        await server.called(11)
        assert bench.pauses == [FIRST_PAUSE_S * 0.75 * 2**n for n in range(5)]


async def test_gone_in_the_middle_of_the_pages():
    server = scripted(
        a_list(configmap("a", 3), version=7, more="next"), refusal(410, "Expired"), a_list(configmap("b", 9), version=9)
    )
    async with following(server) as bench:
        await bench.sink.until("=b")
        assert [asked(call).get("continue") for call in server.calls[:3]] == [None, "next", None]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (refusal(403, "Forbidden", "configmaps is forbidden"), "Forbidden: configmaps is forbidden"),
        (reply(b"upstream connect error", 503), "HTTP status 503"),
        (reply(b"<html>", 200, "content-type: text/html"), "JSON is malformed"),
        (reply(b'{"items": 3}', 200), "Expected `array`"),
        (b"what is that\r\n\r\n", "illegal status line"),
    ],
)
async def test_what_fails_is_told_and_tried_again(failure, words):
    def breaking(data: bytes) -> Script:
        async def script(call: Call) -> None:
            await call.send(data)
            call.close()

        return script

    server = scripted(breaking(failure), breaking(failure), a_list(configmap("a", 3), version=7))
    async with following(server) as bench:
        await bench.until(lambda: len(bench.pauses) == 2)
        (problem,) = bench.problems
        assert words in problem
        assert problem.startswith("kubernetes: configmaps in namespace default: unheard of for")
        assert bench.contact.connected() == {"configmaps in namespace default": False}
        await bench.sink.until("=a")
        assert bench.problems == []
        assert bench.pauses[:2] == [FIRST_PAUSE_S * 0.75, FIRST_PAUSE_S * 1.5]


@pytest.mark.parametrize(
    "line",
    [chunk(b"no json\n"), event("ERROR", status(500, "InternalError", "etcd")), chunk(b'{"type": "ADDED"}\n')],
    ids=["garbage", "error", "no object"],
)
async def test_what_fails_within_a_watch(line):
    """What came before it counts, and it goes on from there."""
    server = scripted(
        a_list(version=7),
        watch(event("ADDED", configmap("a", 8)), line),
        watch(event("ADDED", configmap("b", 9))),
    )
    async with following(server) as bench:
        await bench.until(lambda: len(bench.pauses) == 1)
        assert bench.sink.told == ["=", "+a"]
        assert len(bench.problems) == 1
        await bench.sink.until("=", "+a", "+b")
        assert versions(server) == [None, "7", "8"]
        assert bench.problems == []


async def test_nobody_listens():
    server = scripted()
    await server.start()
    port = server.port
    await server.stop()
    async with following(scripted()) as bench:
        bench.reflector._http.base_url = httpx2.URL(f"http://127.0.0.1:{port}")
        await bench.until(lambda: len(bench.pauses) == 10)
        assert bench.problems
        assert bench.pauses[-1] == 0.75 * LONGEST_PAUSE_S


async def test_silence_is_followed_by_a_new_watch():
    server = scripted(a_list(version=7), watch(bookmark(8)), watch(event("ADDED", configmap("a", 9))))
    async with following(server, quiet_s=0.05) as bench:
        await bench.sink.until("=", "+a")
        assert versions(server)[:3] == [None, "7", "8"]
        assert bench.problems == []


async def test_a_server_that_ends_each_watch_at_once_is_not_hammered():
    server = scripted(a_list(version=7), *[watch(then="end")] * 10)
    async with following(server) as bench:
        await bench.until(lambda: len(bench.pauses) == 8)
    assert bench.pauses[:4] == [FIRST_PAUSE_S * 0.75 * 2**n for n in range(4)]
    assert bench.pauses[7] == 0.75 * LONGEST_PAUSE_S


@pytest.mark.parametrize("then", ["end", "cut"])
async def test_watches_that_stand_are_resumed_at_once(then):
    """Also when each is cut: by a proxy between, every minute."""
    server = scripted(a_list(version=7), *[watch(then=then)] * 10)
    async with following(server) as bench:
        bench.step_s = LASTED_S
        await server.called(12)
        assert bench.pauses == []


async def test_a_watch_that_stood_ends_the_growing_of_pauses():
    """Also when nothing came on it."""
    steps = [*[watch(then="end")] * 5, hang, *[watch(then="end")] * 2]
    server = scripted(a_list(version=7), *steps)
    async with following(server) as bench:
        stood = await server.called(7)
        before, looks = len(bench.pauses), bench.looks
        await stood.send(STREAM)
        await bench.until(lambda: bench.looks > looks)
        bench.now += LASTED_S
        stood.close()
        await bench.until(lambda: len(bench.pauses) == before + 1)
        assert bench.pauses[before - 1 :] == [FIRST_PAUSE_S * 0.75 * 2**4, FIRST_PAUSE_S * 0.75]


async def test_who_is_no_longer_followed_is_no_problem():
    async with following(scripted(reply(b"", 503))) as bench:
        await bench.until(lambda: bool(bench.problems))
    assert bench.problems == []
    assert bench.contact.connected() == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcde")),
        st.tuples(st.just("remove"), st.sampled_from("abcde")),
        st.tuples(st.sampled_from(["cut", "compact", "bookmark", "pause"]), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(before=st.sets(st.sampled_from("abcde")), steps=STEPS)
def test_any_history_ends_with_what_the_server_has(before, steps):
    async def play() -> None:
        server = ApiServer()
        for name in sorted(before):
            server.put(name)
        async with following(server.replica) as bench:
            for what, name in steps:
                match what:
                    case "pause":
                        for _ in range(20):
                            await asyncio.sleep(0)
                    case "put" | "remove":
                        getattr(server, what)(name)
                    case _:
                        getattr(server, what)()
            there = {name: each["metadata"]["resourceVersion"] for name, each in server.objects.items()}
            await bench.sink.changes.until(lambda: bench.reflector.synced.is_set() and bench.sink.known == there)

    asyncio.run(play())
