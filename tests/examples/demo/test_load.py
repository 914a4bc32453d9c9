"""The load generator sends at its own pace and believes no answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx

from examples.demo.digits import Question
from examples.demo.load import LoadGenerator
from examples.demo.plan import Phase
from examples.demo.seen import Answer, Seen, Timeline

QUESTION = Question(b'{"data": []}', labels=(1, 2, 3))
HEADERS = {"azureml-model-deployment": "blue", "x-replica": "4"}

Reply = Callable[[httpx.Request], Awaitable[httpx.Response]]


async def asked(reply: Reply, phase: Phase) -> Seen:
    seen = Seen()
    async with httpx.AsyncClient(base_url="http://router", transport=httpx.MockTransport(reply)) as client:
        await LoadGenerator(client, [QUESTION], seen, Timeline(), seed=1).play([phase])
    return seen


async def one_answer(reply: Reply) -> Answer:
    seen = await asked(reply, Phase("short", 0.01, 1000))
    assert seen.sent == len(seen.answers) > 0
    return seen.answers[0]


async def test_it_goes_on_sending_while_nothing_is_answered() -> None:
    waiting, all_came = 0, asyncio.Event()

    async def reply(_: httpx.Request) -> httpx.Response:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            all_came.set()
        await all_came.wait()  # a closed loop would stay here for ever
        return httpx.Response(200, json={"predictions": [1, 2, 3]})

    seen = await asked(reply, Phase("burst", 0.2, 500))
    assert seen.sent == len(seen.answers) >= 50
    assert [phase.name for phase in seen.phases] == ["burst"]


async def test_a_right_answer_is_counted_for_its_version_and_replica() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/service/digits/score"
        assert request.content == QUESTION.body
        return httpx.Response(200, json={"predictions": [1, 2, 0]}, headers=HEADERS)

    answer = await one_answer(reply)
    assert (answer.status, answer.version, answer.replica, answer.right, answer.images) == (200, "blue", "4", 2, 3)
    assert answer.latency_s >= 0


async def test_a_refusal_keeps_its_reason_and_nothing_is_right_in_it() -> None:
    async def reply(_: httpx.Request) -> httpx.Response:
        body = {"error": {"code": "queue_timeout"}, "predictions": [1, 2, 3]}
        return httpx.Response(503, content=json.dumps(body), headers=HEADERS)

    answer = await one_answer(reply)
    assert (answer.status, answer.reason, answer.right) == (503, "queue_timeout", 0)


async def test_an_answer_that_is_no_json_and_none_at_all() -> None:
    async def babble(_: httpx.Request) -> httpx.Response:
        return httpx.Response(502, content=b"<html>")

    async def break_off(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    assert (await one_answer(babble))[2:4] == (502, "")
    assert (await one_answer(break_off))[2:4] == (0, "")
