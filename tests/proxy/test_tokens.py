"""Tokens over real sockets: who comes in, who does not, and what is forgotten when keys change."""

from __future__ import annotations

import pytest

from router.core.own_tokens import OwnTokens
from router.core.token_ring import TokenRing
from tests.core.test_own_tokens import CLAIMS, ENDPOINT, PRIMARY, SECONDARY, TEXT, by_hand
from tests.fakes.tokens import NOW, part
from tests.fakes.wire import SCORE, request
from tests.proxy.house import House

REFUSED = {
    "expired": by_hand(claims={"exp": NOW - 60}),
    "not yet": by_hand(claims={"nbf": NOW + 61}),
    "another endpoint's": by_hand(claims={"aud": "default/other"}),
    "another issuer's": by_hand(claims={"iss": "other"}),
    "none": part({"alg": "none"}) + b"." + part(CLAIMS) + b".",
    "none, with a signature": by_hand(header={"alg": "none"}),
    "RS256": by_hand(header={"alg": "RS256"}),
    "tampered": TEXT[:50] + bytes([TEXT[50] ^ 1]) + TEXT[51:],
    "signed by nobody": by_hand(secret=b"0" * 32),
    "revoked": OwnTokens("gone-key-0123456789", SECONDARY, ENDPOINT).issue(NOW, 60, "x").text.encode(),
    "no exp": by_hand(without={"exp"}),
    "huge": by_hand(claims={"more": "x" * 8192}),
    "garbage": b"garbage",
    "a key": PRIMARY.encode(),
}


def bearer(token: bytes) -> str:
    return f"Authorization: Bearer {token.decode()}"


async def serve(house: House, primary: str = PRIMARY, secondary: str = SECONDARY) -> TokenRing:
    """One endpoint whose tokens are signed with these."""
    ring = TokenRing(OwnTokens(primary, secondary, ENDPOINT))
    house.publish(house.endpoint(house.version("blue", await house.replica()), credentials=ring))
    return ring


async def test_a_good_token_comes_in_and_is_not_forwarded(house: House):
    house.unix_now = NOW
    replica, ring = await house.replica(), TokenRing(OwnTokens(PRIMARY, SECONDARY, ENDPOINT))
    house.publish(house.endpoint(house.version("blue", replica), credentials=ring))
    client = await house.client()
    for _ in range(4):  # its head is remembered after the second time, without the token
        assert (await client.ask(request("POST", SCORE, bearer(TEXT), body=b"1"))).status == 200
    assert ring.remembered == 1
    assert len(replica.calls) == 4
    assert not any("authorization" in call.head for call in replica.calls)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(house: House, name: str):
    house.unix_now = NOW
    ring = await serve(house)
    client = await house.client()
    for _ in range(3):
        answer = await client.ask(request("POST", SCORE, bearer(REFUSED[name]), body=b"1"))
        assert answer.status == 401
        assert answer["www-authenticate"] == "Bearer"
        assert b"endpoint digits needs a valid token: Authorization: Bearer <token>" in answer.body
    assert ring.remembered == 0
    assert await house.counted(3) == [("digits", "unauthorized", 401)] * 3


async def test_no_token_at_all(house: House):
    await serve(house)
    client = await house.client()
    for lines in ((), ("Authorization: Basic x",), ("Authorization: Bearer",)):
        assert (await client.ask(request("POST", SCORE, *lines, body=b"1"))).status == 401


async def test_an_old_token_is_refused_with_the_first_request_after_its_key_is_gone(house: House):
    house.unix_now = NOW
    await serve(house)
    client = await house.client()
    asking = request("POST", SCORE, bearer(TEXT), body=b"1")
    statuses = [(await client.ask(asking)).status for _ in range(3)]
    await serve(house, "new-primary-0123456", PRIMARY)
    statuses.append((await client.ask(asking)).status)
    await serve(house, "new-primary-0123456", "new-secondary-01234")
    statuses.append((await client.ask(asking)).status)
    assert statuses == [200, 200, 200, 200, 401]


async def test_a_remembered_token_expires(house: House):
    house.unix_now = NOW
    await serve(house)
    token = OwnTokens(PRIMARY, SECONDARY, ENDPOINT).issue(NOW, 60, "x").text.encode()
    client = await house.client()
    asking = request("POST", SCORE, bearer(token), body=b"1")
    assert (await client.ask(asking)).status == 200
    house.passed_s, house.unix_now = 119, NOW + 119
    assert (await client.ask(asking)).status == 200
    house.passed_s, house.unix_now = 120, NOW + 120
    client = await house.client()
    assert (await client.ask(asking)).status == 401


async def test_requests_that_come_together_or_in_pieces_each_show_their_own_token(house: House):
    house.unix_now = NOW
    await serve(house)
    good, bad = (request("POST", SCORE, bearer(token), body=b"1") for token in (TEXT, REFUSED["tampered"]))
    client = await house.client()
    await client.send(bad + good + bad)
    assert [(await client.answer()).status for _ in range(3)] == [401, 200, 401]
    for piece in (good[:40], good[40:150], good[150:]):
        await client.send(piece)
    assert (await client.answer()).status == 200


async def test_no_token_is_kept_with_a_connection_or_shown(house: House):
    house.unix_now = NOW
    ring = await serve(house)
    client = await house.client()
    for _ in range(3):
        await client.ask(request("POST", SCORE, bearer(TEXT), body=b"1"))
    (exchange, *_) = house.logged
    assert TEXT not in repr((exchange, exchange.head.fields, exchange.head.kept, ring)).encode()
