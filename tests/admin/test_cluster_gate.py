"""Who may, as the API server says it: asked once for a while, and nobody is let in while it does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube import AsyncClient
from lightkube.config.kubeconfig import Cluster, Context, SingleConfig, User

from router.admin import cluster_gate
from router.admin.admin_token import LocalAdmin, opened, read
from router.admin.cluster_gate import ALLOWED_S, AT_ONCE, KNOWN, MAX_TOKEN, REFUSED_S, ClusterGate, ClusterOrToken
from router.admin.gate import Access, Caller, NotAllowed, NotIdentified
from router.admin.remembered import Remembered
from router.errors import StoreFailed
from tests.fakes.api_server import status
from tests.fakes.clock import FakeClock

UPDATE_KEYS = Access("update", "default", "digits", "keys")
PLANTED = "planted-token-of-alice"


class Reviewer:
    """An API server that knows tokens and roles."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {PLANTED: {"username": "alice", "groups": ["team"], "uid": "uid-1"}}
        self.allowed: list[tuple[str, str]] = []
        """User and verb."""
        self.asked: list[dict[str, Any]] = []
        """The specs of reviews."""
        self.answer: httpx2.Response | Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = self.most_waiting = 0
        self.transport = httpx2.MockTransport(self._answer)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        review = json.loads(request.content)
        self.asked.append(review["spec"])
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        judge = {"TokenReview": self._whose, "SubjectAccessReview": self._may}[review["kind"]]
        return httpx2.Response(201, json={**review, "status": judge(review["spec"])})

    def _whose(self, spec: dict[str, Any]) -> dict[str, Any]:
        user = self.users.get(spec["token"])
        return {"authenticated": True, "user": user} if user else {"error": "invalid", "user": {"username": "ghost"}}

    def _may(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {"allowed": (spec["user"], spec["resourceAttributes"]["verb"]) in self.allowed}


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def gate(reviewer: Reviewer, clock: FakeClock) -> AsyncIterator[ClusterGate]:
    server = Cluster(server="http://127.0.0.1:1")
    cluster = SingleConfig("here", Context(cluster="one", user="me"), server, User())
    async with AsyncClient(cluster, transport=reviewer.transport, trust_env=False) as client:
        yield ClusterGate(client, clock.now)


async def test_whose_a_token_is_and_what_is_asked(gate, reviewer):
    reviewer.users[PLANTED]["extra"] = {"b": ["1", "2"], "a": []}
    reviewer.allowed.append(("alice", "update"))
    alice = await gate.identify(PLANTED)
    assert alice[:3] == Caller("alice", ("team",), "uid-1")[:3]
    await gate.admit(alice, UPDATE_KEYS)
    assert reviewer.asked == [
        {"token": PLANTED},
        {
            "user": "alice",
            "groups": ["team"],
            "uid": "uid-1",
            "extra": {"a": [], "b": ["1", "2"]},
            "resourceAttributes": {
                "group": "maitre.dev",
                "version": "v1alpha1",
                "resource": "scoringendpoints",
                "subresource": "keys",
                "verb": "update",
                "namespace": "default",
                "name": "digits",
            },
        },
    ]


async def test_a_subresource_a_name_and_a_namespace_are_only_said_where_they_are_meant(gate, reviewer):
    reviewer.allowed.append(("bob", "list"))
    await gate.admit(Caller("bob"), Access("list"))
    attributes = {"group": "maitre.dev", "version": "v1alpha1", "resource": "scoringendpoints", "verb": "list"}
    assert reviewer.asked == [{"user": "bob", "groups": [], "resourceAttributes": attributes}]


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (UPDATE_KEYS, "alice may not update scoringendpoints/keys in namespace default"),
        (Access("list"), "alice may not list scoringendpoints in all namespaces"),
    ],
)
async def test_what_is_not_allowed_names_what_is_missing(gate, reviewer, access, words):
    alice = await gate.identify(PLANTED)
    with pytest.raises(NotAllowed) as refused:
        await gate.admit(alice, access)
    assert str(refused.value) == words


@pytest.mark.parametrize("bearer", [None, "", "x" * (MAX_TOKEN + 1), "é", "\udcff"])
async def test_without_a_credential_nobody_is_asked(gate, reviewer, bearer):
    with pytest.raises(NotIdentified):
        await gate.identify(bearer)
    assert reviewer.asked == []


async def test_a_token_that_nobody_knows(gate, reviewer):
    reviewer.users["nameless"] = {"groups": ["team"]}
    for bearer in ("unknown-token", "nameless"):
        with pytest.raises(NotIdentified) as refused:
            await gate.identify(bearer)
        assert bearer not in str(refused.value)


async def test_answers_hold_for_a_while_and_refusals_for_a_shorter_one(gate, reviewer, clock):
    alice = await gate.identify(PLANTED)
    reviewer.allowed.append(("alice", "get"))
    get, delete = Access("get", "default"), Access("delete", "default")

    async def all_of_it() -> None:
        assert await gate.identify(PLANTED) == alice
        await gate.admit(alice, get)
        with pytest.raises(NotAllowed):
            await gate.admit(alice, delete)
        with pytest.raises(NotIdentified):
            await gate.identify("unknown-token")

    await all_of_it()
    before = len(reviewer.asked)
    await clock.advance(REFUSED_S - 0.1)
    await all_of_it()
    assert len(reviewer.asked) == before
    await clock.advance(0.2)
    await all_of_it()
    assert len(reviewer.asked) == before + 2, "the refusals"
    await clock.advance(ALLOWED_S)
    reviewer.allowed.clear()
    del reviewer.users[PLANTED]
    with pytest.raises(NotIdentified):
        await gate.identify(PLANTED)
    with pytest.raises(NotAllowed):
        await gate.admit(alice, get)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx2.ConnectError("Connection refused"), "Connection refused"),
        (httpx2.ReadTimeout(""), "no answer in time"),
        (httpx2.Response(200, content=b"not json"), "cannot be asked who this is"),
        (httpx2.Response(500, json=status(500, "InternalError", "etcd is away")), "etcd is away"),
        (
            httpx2.Response(
                403,
                json=status(
                    403,
                    "Forbidden",
                    'tokenreviews.authentication.k8s.io is forbidden: User "system:serviceaccount:a:b" '
                    'cannot create resource "tokenreviews" in API group "authentication.k8s.io" at the cluster scope',
                ),
            ),
            "cannot create tokenreviews of authentication.k8s.io in all namespaces: forbidden, no role of the router",
        ),
    ],
)
async def test_an_api_server_that_does_not_say_admits_nobody(gate, reviewer, answer, words):
    reviewer.answer = answer
    for asking in (gate.identify(PLANTED), gate.admit(Caller("alice"), UPDATE_KEYS)):
        with pytest.raises(StoreFailed) as failed:
            await asking
        assert PLANTED not in str(failed.value)
    with pytest.raises(StoreFailed, match=words):
        await gate.identify(PLANTED)
    reviewer.answer = None
    assert (await gate.identify(PLANTED)).name == "alice", "that nothing was said is not remembered"


async def test_an_api_server_that_hangs_is_not_waited_for(gate, reviewer, monkeypatch):
    monkeypatch.setattr(cluster_gate, "ANSWER_S", 0.05)
    reviewer.gate.clear()
    with pytest.raises(StoreFailed, match="no answer in time"):
        async with asyncio.timeout(10):
            await gate.identify(PLANTED)


async def test_a_flood_of_tokens_reaches_the_api_server_a_few_at_a_time(gate, reviewer):
    reviewer.gate.clear()
    loop = asyncio.get_running_loop()
    knocking = [loop.create_task(gate.identify(f"made-up-{number}")) for number in range(50)]
    while reviewer.waiting < AT_ONCE:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    reviewer.gate.set()
    results = await asyncio.gather(*knocking, return_exceptions=True)
    assert all(isinstance(each, NotIdentified) for each in results)
    assert reviewer.most_waiting == AT_ONCE


async def test_the_local_token_comes_first_and_needs_no_api_server(gate, reviewer, tmp_path):
    token = opened(tmp_path, None)
    either = ClusterOrToken(token, gate)
    reviewer.answer = httpx2.ConnectError("Connection refused")
    admin = await either.identify(read(tmp_path / "admin-token"))
    assert isinstance(admin, LocalAdmin)
    await either.admit(admin, UPDATE_KEYS)
    assert reviewer.asked == []
    for bearer in (PLANTED, read(tmp_path / "admin-token") + "x"):
        with pytest.raises(StoreFailed):
            await either.identify(bearer)
    with pytest.raises(NotIdentified, match="the admin token, or a token of this cluster"):
        await either.identify(None)


async def test_a_user_of_the_cluster_who_is_called_admin_is_not_the_local_one(gate, reviewer, tmp_path):
    either = ClusterOrToken(opened(tmp_path, None), gate)
    reviewer.users["token-of-admin"] = {"username": "admin"}
    admin = await either.identify("token-of-admin")
    assert admin == Caller("admin")
    with pytest.raises(NotAllowed, match="admin may not update"):
        await either.admit(admin, UPDATE_KEYS)


async def test_no_token_is_kept(gate, reviewer):
    reviewer.allowed.append(("alice", "get"))
    await gate.admit(await gate.identify(PLANTED), Access("get"))
    assert PLANTED not in repr(vars(gate))
    assert PLANTED not in repr(vars(gate._callers))


async def test_what_is_remembered_is_bounded(gate, reviewer):
    for number in range(KNOWN + 10):
        with pytest.raises(NotIdentified):
            await gate.identify(f"made-up-{number}")
    assert repr(gate._callers) == f"<Remembered {KNOWN} of at most {KNOWN}>"


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.integers(0, 3)), max_size=40), st.integers(1, 3)
)
def test_what_is_remembered_is_the_last_answer_while_it_holds(steps, size):
    remembered: Remembered[str, int] = Remembered(size)
    model: dict[str, tuple[int, float]] = {}
    now = 0.0
    for number, (question, lasts, passes) in enumerate(steps):
        remembered.remember(question, number, now + lasts)
        model[question] = number, now + lasts
        now += passes
        for each in "abcd":
            found, expected = remembered.answer(each, now), model.get(each)
            assert found is None or (expected is not None and found == expected[0] and now < expected[1])
        last, until = model[question]
        assert remembered.answer(question, now) == (last if now < until else None)
        assert len(remembered._answers) <= size
