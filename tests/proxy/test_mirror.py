"""Copies for mirror versions: they arrive as the live request did, and whatever becomes of them, it never knows."""

import asyncio
import random

import pytest

from router.core.admission import Limits
from router.core.limits import ClientLimits
from router.core.routes import MirrorRoute
from router.proxy.copies import CopyLimits
from tests.fakes.changes import BOUND_S, settled
from tests.fakes.replica import Call, Replica, Script, answering, closing_after, echo, hang, reset
from tests.fakes.wire import LAST_CHUNK, SCORE, chunk, chunked, reply, request, streaming
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of
from tests.proxy.test_failures import by_turns, refusing
from tests.proxy.test_load import Gate, SlowToConnect

LIVE = ("blue", "ok", 200)
COPIED = ("shade", "ok")


async def live_and(house: House, mirror: MirrorRoute, script: Script = echo, **endpoint: object) -> Replica:
    """The live version blue with one replica, of which `mirror` gets the copies; returns that replica."""
    replica = await house.replica(script)
    house.publish(house.endpoint(house.version("blue", replica), mirrors=[mirror], **endpoint))
    return replica


async def mirrored(house: House, script: Script = echo, **settings: object) -> tuple[Replica, Replica]:
    """The replicas of the live version blue and of its mirror shade, which does as `script` says."""
    mirror = await house.replica(script)
    live = await live_and(house, house.mirror("shade", mirror, **settings))
    return live, mirror


# -- what arrives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        request("GET", SCORE + "?a=b%20c"),
        request("HEAD"),
        request("DELETE", SCORE.replace("score", "v1/x")),
        request("POST", SCORE, "X-Own: 1", "x-own: 2", "Content-Type: text/plain", body=b"input"),
        request("POST", SCORE, "Authorization: Bearer secret", "Connection: x-hop", "x-hop: 1", body=b"input"),
        request("POST", SCORE, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", body=b"input"),
        request("POST", SCORE, "x-ms-client-request-id: mine", body=b"input", minor=0),
        streaming() + chunked(b"in", b"put"),
        request(body=b"x" * 300_000),
    ],
)
async def test_a_copy_is_the_live_request(house: House, message: bytes):
    live, mirror = await mirrored(house)
    client = await house.client()
    answer = await client.ask(message)
    assert answer["azureml-model-deployment"] == "blue"
    original, copy = await live.called(), await mirror.called()
    assert await house.copied() == [COPIED]
    assert copy.head.raw == original.head.raw
    assert copy.received == original.received
    assert copy.head["x-request-id"].decode() == answer["x-request-id"]
    assert "authorization" not in copy.head
    assert await house.counted() == [LIVE]


async def test_a_mirror_has_a_scoring_path_of_its_own(house: House):
    _, mirror = await mirrored(house, scoring_path="/v2/predict")
    client = await house.client()
    for path in (SCORE + "?a=b", SCORE.replace("score", "swagger.json")):
        assert (await client.ask(request("GET", path))).status == 200
    await house.copied(2)
    assert [call.target for call in mirror.calls] == ["/v2/predict?a=b", "/swagger.json"]


async def test_expect_is_between_the_client_and_the_live_replica(house: House):
    async def consenting(call: Call) -> None:
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await echo(call)

    mirror = await house.replica(consenting)  # and a 1xx that nobody asked for does no harm
    live = await live_and(house, house.mirror("shade", mirror), consenting)
    client = await house.client()
    await client.send(request("POST", SCORE, "Expect: 100-continue", "Content-Length: 5"))
    assert "expect" in (await live.called()).head
    assert not mirror.calls
    await client.send(b"input")
    answer = await client.answer()
    assert (answer.body, len(answer.interim)) == (b"input", 1)
    assert await house.copied() == [COPIED]
    assert "expect" not in mirror.calls[0].head
    assert mirror.calls[0].received == b"input"


async def test_a_streamed_body_is_copied_when_it_is_there_in_full(house: House):
    live, mirror = await mirrored(house)
    client = await house.client()
    await client.send(streaming())
    await live.called()
    for piece in (b"a", b"b" * 100_000, b"c"):
        await client.send(chunk(piece))
    await house.caught_up()
    assert not mirror.calls
    await client.send(LAST_CHUNK)
    answer = await client.answer()
    assert await house.copied() == [COPIED]
    assert mirror.calls[0].received == answer.body == b"a" + b"b" * 100_000 + b"c"


async def test_a_body_that_came_before_there_was_a_slot_is_copied_with_the_rest(house: House):
    gate = Gate()
    mirror = await house.replica(echo)
    live = await live_and(house, house.mirror("shade", mirror), gate)
    first, second = await house.client(), await house.client()
    await first.send(request(body=b"1"))
    await live.called()
    await second.send(request("POST", SCORE, "Content-Length: 6") + b"abc")
    await house.queued(1)
    gate.open()
    await live.called(2)
    await second.send(b"def")
    gate.open()
    assert [(await client.answer()).body for client in (first, second)] == [b"1", b"abcdef"]
    await house.copied(2)
    assert [call.received for call in mirror.calls] == [b"1", b"abcdef"]


async def test_mirrors_get_their_shares_each_for_itself(house: House):
    half, all_of_it, replica = await house.replica(), await house.replica(), await house.replica()
    mirrors = [house.mirror("half", half, share=50.0), house.mirror("all", all_of_it)]
    house.publish(house.endpoint(house.version("blue", replica), mirrors=mirrors))
    client = await house.client()
    for house.u in (0.0, 0.499, 0.5, 0.999):
        assert (await client.ask(request(body=b"1"))).status == 200
    await house.copied(6)
    await settled(lambda: len(house.copies))
    assert sorted(house.copies) == [("all", "ok")] * 4 + [("half", "ok")] * 2


# -- what is not mirrored ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["azureml-model-deployment: blue"], 200),
        (["azureml-model-deployment: red"], 404),
        (["Connection: upgrade", "Upgrade: websocket"], 200),
    ],
)
async def test_pinned_requests_and_upgrades_are_not_mirrored(house: House, lines: list[str], status: int):
    _, mirror = await mirrored(house)
    client = await house.client()
    assert (await client.ask(request("GET", SCORE, *lines))).status == status
    assert await settled(lambda: len(mirror.calls) + len(house.copies)) == 0


async def test_a_mirror_answers_who_pins_it(house: House):
    await mirrored(house)
    client = await house.client()
    answer = await client.ask(request("POST", SCORE, "azureml-model-deployment: shade", body=b"1"))
    assert (answer["azureml-model-deployment"], answer.body) == ("shade", b"1")
    assert await settled(lambda: len(house.copies)) == 0
    assert await house.counted() == [("shade", "ok", 200)]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (request(body=b"1"), 401),
        (request("POST", SCORE + "/../x", "Authorization: Bearer secret", body=b"1"), 400),
        (request("POST", SCORE, "Authorization: Bearer secret", "Content-Length: 4000"), 413),
        (request("POST", SCORE, "Authorization: Bearer secret", "Content-Length: x"), 400),
        (streaming("POST", SCORE, "Authorization: Bearer secret") + b"nonsense\r\n", 400),
    ],
)
async def test_what_the_router_refuses_is_not_mirrored(open_house: OpenHouse, message: bytes, status: int):
    house = await open_house(ClientLimits(body_bytes=1000))
    mirror = await house.replica(echo)
    await live_and(house, house.mirror("shade", mirror), keys=("secret", "secret2"))
    client = await house.client()
    assert (await client.ask(message)).status == status
    assert await settled(lambda: len(mirror.calls) + len(house.copies)) == 0


async def test_what_finds_no_live_replica_is_not_mirrored(house: House):
    mirror = await house.replica(echo)
    house.publish(house.endpoint(house.version("blue"), mirrors=[house.mirror("shade", mirror)]))
    client = await house.client()
    error_of(await client.ask(request(body=b"1")), 503, "no_replicas")
    dead = await refusing(house)
    house.publish(house.endpoint(house.version("blue", dead), mirrors=[house.mirror("shade", mirror)]))
    error_of(await client.ask(request(body=b"1")), 502, "upstream_error")
    assert await settled(lambda: len(mirror.calls) + len(house.copies)) == 0


async def test_a_client_that_leaves_before_its_last_byte_leaves_no_copy(house: House):
    live, mirror = await mirrored(house)
    client = await house.client()
    await client.send(request("POST", SCORE, "Content-Length: 6") + b"abc")
    await live.called()
    assert house.plane.copies.held_bytes > 0
    client.reset()
    assert await house.counted() == [("blue", "client_gone", 0)]
    assert house.plane.copies.held_bytes == 0
    assert await settled(lambda: len(mirror.calls) + len(house.copies)) == 0


async def test_a_model_that_answers_before_the_last_byte_leaves_no_copy(house: House):
    async def hasty(call: Call) -> None:
        await call.send(reply(b"enough"))
        await call.gone()

    mirror = await house.replica(echo)
    await live_and(house, house.mirror("shade", mirror), hasty)
    client = await house.client()
    await client.send(request("POST", SCORE, "Content-Length: 6") + b"abc")
    assert (await client.answer()).body == b"enough"
    assert house.plane.copies.held_bytes == 0
    assert await settled(lambda: len(mirror.calls) + len(house.copies)) == 0


async def test_a_request_that_is_tried_again_is_copied_once(house: House):
    async def closing(call: Call) -> None:
        await call.body()
        call.close()

    mirror = await house.replica(echo)
    script = by_turns(answering(reply(b"first")), closing, answering(reply(b"again")))
    live = await live_and(house, house.mirror("shade", mirror), script)
    client = await house.client()
    assert [(await client.ask(request(body=body))).body for body in (b"1", b"2")] == [b"first", b"again"]
    assert len(live.calls) == 3
    await house.copied(2)
    assert await settled(lambda: len(mirror.calls)) == 2


@pytest.mark.parametrize("between", [False, True])
async def test_a_body_that_comes_over_two_tries_is_copied_in_full(house: House, between: bool):
    """Whether its rest comes when the second try is under way, or while there is none."""

    async def closing(call: Call) -> None:
        await call.read(3)
        call.close()

    mirror = await house.replica(echo)
    live = await live_and(house, house.mirror("shade", mirror), by_turns(echo, closing, echo))
    upstream = house.upstreams[-1]
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"1"
    loop = upstream.loop = SlowToConnect(upstream.loop)
    await client.send(request("POST", SCORE, "Content-Length: 6") + b"abc")
    await asyncio.wait_for(loop.connecting.wait(), BOUND_S)
    if between:
        await client.send(b"def")
        await mirror.called(2)
        loop.connect.set()
    else:
        loop.connect.set()
        await live.called(3)
        await client.send(b"def")
    assert (await client.answer()).body == b"abcdef"
    assert await house.copied(2) == [COPIED] * 2
    assert [call.received for call in mirror.calls] == [b"1", b"abcdef"]


async def test_a_request_whose_first_replica_cannot_be_reached_is_copied(house: House):
    dead, sound, mirror = await refusing(house), await house.replica(echo), await house.replica(echo)
    version = house.version("blue", dead, sound)
    house.publish(house.endpoint(version, mirrors=[house.mirror("shade", mirror)]))
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"1"
    assert await house.copied() == [COPIED]
    assert mirror.calls[0].received == b"1"


# -- what becomes of the copy is nobody's trouble ----------------------------------------------------------------------


async def endless(call: Call) -> None:
    """An answer that never ends."""
    await call.body()
    await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x"))
    await call.gone()


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        (answering(reply(b"x" * 1_000_000)), "ok"),
        (answering(reply(b"", 204, reason="No Content").replace(b"Content-Length: 0\r\n", b"")), "ok"),
        (answering(reply(b"missing", 404)), "ok"),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"a", b"b")), "ok"),
        (closing_after(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), "ok"),
        (answering(reply(b"failed", 500)), "model_error"),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"), "upstream_error"),
        (answering(b"this is no HTTP\r\n\r\n"), "upstream_error"),
        (answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "upstream_error"),
        (closing_after(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "upstream_error"),
        (closing_after(b""), "upstream_error"),
        (reset, "upstream_error"),
        (hang, "upstream_timeout"),
        (endless, "upstream_timeout"),
    ],
)
async def test_the_live_request_does_not_notice(house: House, script: Script, ending: str):
    await mirrored(house, script, scoring_timeout_s=0.05)
    client = await house.client()
    for count in range(1, 4):
        assert (await client.ask(request(body=b"%d" % count))).body == b"%d" % count
        assert (await house.copied(count))[-1] == ("shade", ending)
    assert await house.counted(3) == [LIVE] * 3


async def test_the_live_answer_is_there_while_the_mirror_hangs(house: House):
    """And the next ones too, as many as there are: nothing waits for a mirror's slot but its own copies."""
    _, mirror = await mirrored(house, hang, limits=Limits(queue_length=5, queue_wait_s=BOUND_S))
    client = await house.client()
    for count in range(20):
        assert (await client.ask(request(body=b"%d" % count))).body == b"%d" % count
    assert await house.counted(20) == [LIVE] * 20
    assert await house.copied(14) == [("shade", "queue_full")] * 14
    assert len(mirror.calls) == 1


async def test_a_client_that_leaves_takes_no_copy_along(house: House):
    gate = Gate()
    mirror = await house.replica(gate)
    live = await live_and(house, house.mirror("shade", mirror), hang)
    client = await house.client()
    await client.send(request(body=b"1"))
    await live.called()
    await mirror.called()
    client.reset()
    assert await house.counted() == [("blue", "client_gone", 0)]
    gate.open()
    assert await house.copied() == [COPIED]


async def test_a_mirror_without_replicas(house: House):
    await live_and(house, house.mirror("shade"))
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"1"
    assert await house.copied() == [("shade", "no_replicas")]


async def test_a_mirror_that_starts_from_zero(house: House):
    """Its copies wait for the first replica, and tell the autoscaler that they do."""
    mirror = house.mirror("shade")
    mirror.version.admission.expecting = True
    await live_and(house, mirror)
    client = await house.client()
    for count in (1, 2):
        assert (await client.ask(request(body=b"%d" % count))).body == b"%d" % count
    await house.queued(2)
    replica = await house.replica(echo)
    house.add(mirror.version, replica)
    assert await house.copied(2) == [COPIED] * 2
    assert [call.received for call in replica.calls] == [b"1", b"2"]


async def test_copies_wait_in_order_under_the_limits_of_the_mirror(house: House):
    gate = Gate()
    _, mirror = await mirrored(house, gate)
    client = await house.client()
    for count in range(5):
        assert (await client.ask(request(body=b"%d" % count))).status == 200
    gate.open(5)
    assert await house.copied(5) == [COPIED] * 5
    assert [call.received for call in mirror.calls] == [b"%d" % count for count in range(5)]
    assert (mirror.most_running, mirror.connections) == (1, 1)


async def test_copies_that_waited_too_long(house: House):
    _, mirror = await mirrored(house, hang, limits=Limits(queue_wait_s=0.05))
    client = await house.client()
    for _ in range(3):
        assert (await client.ask(request(body=b"1"))).status == 200
    assert await house.copied(2) == [("shade", "queue_timeout")] * 2
    assert len(mirror.calls) == 1


async def test_refused_copies_are_offered_load_but_nobody_who_tries_again(house: House):
    mirror = house.mirror("shade")
    await live_and(house, mirror)
    client = await house.client()
    for _ in range(3):
        assert (await client.ask(request(body=b"1"))).status == 200
    await house.copied(3)
    load = mirror.version.admission.load
    assert (load.arrivals, load.repeats, load.retrying(house.now())) == (3, 0, 0)


async def test_a_dead_replica_of_a_mirror_is_left_out(house: House):
    sound = await house.replica(echo)
    mirror = house.mirror("shade", await refusing(house), sound)
    await live_and(house, mirror)
    client = await house.client()
    for count in range(1, 4):
        assert (await client.ask(request(body=b"1"))).body == b"1"
        await house.copied(count)
    assert house.copies == [("shade", "upstream_error"), COPIED, COPIED]
    assert mirror.version.admission.total == 1


async def test_a_mirror_that_is_reached_too_late(house: House):
    """Its connection stands when the copy has ended: it is closed, and nothing is sent."""
    mirror = await house.replica(echo)
    route = house.mirror("shade", mirror, scoring_timeout_s=0.05)
    loop = house.upstreams[-1].loop = SlowToConnect(house.plane.loop)
    await live_and(house, route)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).status == 200
    assert await house.copied() == [("shade", "upstream_timeout")]
    loop.connect.set()
    await mirror.changes.until(lambda: mirror.connections == 1 and mirror.open == 0)
    assert not mirror.calls


async def test_a_connection_on_which_a_copy_still_waits_to_be_read_is_not_used_again(open_house: OpenHouse):
    house = await open_house(None, (), CopyLimits(request_bytes=1 << 25))
    ended = asyncio.Event()

    async def hasty(call: Call) -> None:
        await call.send(reply(b"enough"))
        await ended.wait()
        await call.gone()

    mirror = await house.replica(hasty, socket_buffer=4096)
    await live_and(house, house.mirror("shade", mirror))
    client = await house.client()
    for count in (1, 2):
        assert (await client.ask(request(body=bytes(1 << 24)))).status == 200
        assert (await house.copied(count))[-1] == COPIED
    assert mirror.connections == 2
    ended.set()


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [request(body=bytes(5000)), streaming() + chunked(*[bytes(1000)] * 5)])
async def test_a_request_that_is_too_large_is_not_copied(open_house: OpenHouse, message: bytes):
    house = await open_house(None, (), CopyLimits(request_bytes=4000))
    _, mirror = await mirrored(house)
    client = await house.client()
    assert (await client.ask(message)).body == bytes(5000)
    assert (await client.ask(request(body=b"small"))).body == b"small"
    assert await house.copied(2) == [("shade", "too_large"), COPIED]
    assert [call.received for call in mirror.calls] == [b"small"]


async def test_a_large_request_is_not_held_until_it_is_too_large(open_house: OpenHouse):
    house = await open_house(None, (), CopyLimits(request_bytes=4000))
    live, _ = await mirrored(house)
    client = await house.client()
    await client.send(request("POST", SCORE, "Content-Length: 5000") + bytes(3000))
    await live.called()
    assert house.plane.copies.held_bytes == 0
    await client.send(bytes(2000))
    assert (await client.answer()).status == 200
    assert await house.copied() == [("shade", "too_large")]


async def test_copies_share_a_budget(open_house: OpenHouse):
    house = await open_house(None, (), CopyLimits(held_bytes=10_000))
    gate = Gate()
    await mirrored(house, gate)
    client = await house.client()
    for _ in range(4):
        assert (await client.ask(request(body=bytes(3000)))).body == bytes(3000)
    assert house.copies == [("shade", "over_budget")]
    gate.open(4)
    await house.copied(4)
    assert house.plane.copies.held_bytes == 0
    assert (await client.ask(request(body=bytes(3000)))).status == 200
    assert await house.copied(5) == [("shade", "over_budget"), *[COPIED] * 4]


async def test_a_budget_that_runs_out_on_the_way(open_house: OpenHouse):
    """What had been collected by then is let go, for each of the mirrors, and the live request goes on."""
    house = await open_house(None, (), CopyLimits(held_bytes=10_000))
    replica, mirrors = await house.replica(echo), [house.mirror("one"), house.mirror("two")]
    house.publish(house.endpoint(house.version("blue", replica), mirrors=mirrors))
    client = await house.client()
    await client.send(streaming() + chunk(bytes(3000)))
    await replica.called()
    assert 6000 < house.plane.copies.held_bytes < 8000
    await client.send(chunk(bytes(3000)) + LAST_CHUNK)
    assert (await client.answer()).body == bytes(6000)
    assert house.copies == [("one", "over_budget"), ("two", "over_budget")]
    assert house.plane.copies.held_bytes == 0


async def test_a_mirror_that_does_not_read_holds_no_more_than_its_copy(house: House):
    ended = asyncio.Event()

    async def deaf(call: Call) -> None:
        await ended.wait()
        call.close()

    mirror = await house.replica(deaf, socket_buffer=4096)
    await live_and(house, house.mirror("shade", mirror, scoring_timeout_s=0.05))
    client = await house.client()
    assert (await client.ask(request(body=bytes(500_000)))).body == bytes(500_000)
    assert 500_000 < house.plane.copies.held_bytes < 501_000
    assert await house.copied() == [("shade", "upstream_timeout")]
    assert house.plane.copies.held_bytes == 0
    ended.set()


async def test_the_wheel_keeps_one_deadline_for_copies_that_follow_each_other(house: House):
    await mirrored(house)
    client = await house.client()
    for count in range(1, 21):
        assert (await client.ask(request(body=b"1"))).status == 200
        await house.copied(count)
    assert len(house.plane.copies._spare_deadlines) == 1


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_the_end_waits_for_live_requests_only(house: House):
    gate = Gate()
    mirror = await house.replica(hang)
    live = await live_and(house, house.mirror("shade", mirror), by_turns(echo, echo, gate))
    client = await house.client()
    for _ in range(2):
        assert (await client.ask(request(body=b"1"))).status == 200
    await client.send(request(body=b"last"))
    await live.called(3)
    await mirror.called()
    house.plane.drain()
    gate.open()
    assert (await client.answer()).body == b"last"
    await house.plane.emptied()
    house.plane.abort()
    assert house.copies == [("shade", "draining")] * 3
    await mirror.left()
    assert await settled(lambda: mirror.connections) == 1, "the slot of the first was not handed on to the second"


async def test_a_copy_that_is_cut_before_it_began_never_begins(house: House, monkeypatch: pytest.MonkeyPatch):
    copies, mirror = house.plane.copies, await house.replica(echo)
    await live_and(house, house.mirror("shade", mirror))
    begin = copies.begin
    monkeypatch.setattr(copies, "begin", lambda *copy: (begin(*copy), copies.cut()))
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"1"
    assert await house.copied() == [("shade", "draining")]
    assert await settled(lambda: mirror.connections) == 0


async def test_after_the_end_no_copy_begins(house: House):
    _, mirror = await mirrored(house)
    house.plane.copies.cut()
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"1"
    assert await house.copied() == [("shade", "draining")]
    assert await settled(lambda: mirror.connections) == 0


async def test_whatever_happens_every_copy_ends_once_and_nothing_stays(open_house: OpenHouse):
    """Twenty clients, two mirrors of several replicas that do all that replicas may do, budgets that run out."""
    house = await open_house(None, (), CopyLimits(request_bytes=4000, held_bytes=20_000))
    dice = random.Random(11)

    def moody() -> Script:
        scripts = [echo, echo, echo, reset, hang, endless, closing_after(b"HTTP/1.1 2"), answering(b"no\r\n\r\n")]

        async def script(call: Call) -> None:
            await dice.choice(scripts)(call)

        return script

    replicas = [await house.replica(moody()) for _ in range(5)]
    limits = Limits(slots=2, queue_wait_s=0.02, queue_length=4)
    one = house.mirror("one", *replicas[:3], limits=limits, scoring_timeout_s=0.02)
    two = house.mirror("two", *replicas[3:], limits=limits, scoring_timeout_s=0.02)
    live = [await house.replica(echo) for _ in range(10)]
    house.publish(house.endpoint(house.version("blue", *live), mirrors=[one, two]))

    async def client(requests: int) -> None:
        connection = await house.client()
        for _ in range(requests):
            body = bytes(dice.randrange(1, 5000))
            message = request(body=body) if dice.random() < 0.5 else streaming() + chunked(body[:100] or b"x", b"y")
            answer = await connection.ask(message)
            assert answer.status == 200
        await connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(client(20))
    assert await house.counted(400) == [LIVE] * 400
    copies = await house.copied(800)
    assert sum(name == "one" for name, _ in copies) == sum(name == "two" for name, _ in copies) == 400
    assert {"ok", "upstream_error", "upstream_timeout", "too_large"} <= {ending for _, ending in copies}
