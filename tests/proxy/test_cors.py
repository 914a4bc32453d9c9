"""Browsers of other origins: preflights are answered here, everything else says who may read it."""

from __future__ import annotations

from tests.fakes.replica import answering
from tests.fakes.wire import SCORE, reply, request
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

APP = "https://app.example.com"
PREFLIGHT = (f"Origin: {APP}", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")


async def test_a_preflight_needs_no_key_reaches_no_model_and_is_not_counted(house: House):
    replica = await house.replica()
    house.publish(house.endpoint(house.version("blue", replica), keys=("a" * 16, "b" * 16), allow_origins=(APP,)))
    client = await house.client()
    for _ in range(2):
        answer = await client.ask(request("OPTIONS", SCORE, *PREFLIGHT))
        assert (answer.status, answer.body, answer.closes) == (204, b"", False)
        assert answer["access-control-allow-origin"] == APP
        assert answer["access-control-allow-headers"] == "authorization"
    assert replica.calls == []
    assert house.ended == []


async def test_answers_say_who_may_read_them_instead_of_the_model(house: House):
    own = "Access-Control-Allow-Origin: https://evil.example"
    replica = await house.replica(answering(reply(b"42", 200, own, "Vary: accept")))
    house.publish(house.endpoint(house.version("blue", replica), allow_origins=(APP,)))
    answer = await (await house.client()).ask(request("POST", SCORE, f"Origin: {APP}", body=b"1"))
    assert answer.head.all("access-control-allow-origin") == [APP.encode()]
    assert answer.head.all("vary") == [b"accept", b"origin"]
    assert replica.calls[0].head["origin"] == APP.encode()


async def test_refusals_can_be_read_too(house: House):
    house.publish(house.endpoint(house.version("blue"), keys=("a" * 16, "b" * 16), allow_origins=("*",)))
    answer = await (await house.client()).ask(request("POST", SCORE, f"Origin: {APP}", body=b"1"))
    error_of(answer, 401, "unauthorized")
    assert answer["access-control-allow-origin"] == "*"


async def test_without_cors_the_model_speaks_for_itself(house: House):
    own = "Access-Control-Allow-Origin: *"
    replica = await house.replica(answering(reply(b"42", 200, own)))
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request("OPTIONS", SCORE, *PREFLIGHT)))["access-control-allow-origin"] == "*"
    assert len(replica.calls) == 1
