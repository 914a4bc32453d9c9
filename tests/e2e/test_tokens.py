"""Tokens, with whole processes: several workers, keys that change, an issuer that goes down; no secret in the log."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from router.core.own_tokens import OwnTokens
from tests.e2e.conftest import BOUND_S, KEYS, Maitre, endpoint, fixed_version
from tests.e2e.workers import until_workers
from tests.fakes.issuer import FakeIssuer
from tests.fakes.tokens import key_document, own_key_id, own_secret, public_jwk, signed, signed_hs256

CONNECTIONS = 16
IN_FORCE_S = 1.5
"""A second is promised; the rest is for a busy machine."""
PRIVATE = ec.generate_private_key(ec.SECP256R1())


def now() -> float:
    return datetime.now(UTC).timestamp()


def own(primary: str = KEYS["primaryKey"], secondary: str = KEYS["secondaryKey"]) -> str:
    return OwnTokens(primary, secondary, ("default", "digits")).issue(now(), 3600, "x").text


def outside(kid: str = "one") -> str:
    claims = {"iss": "https://id.example", "aud": "digits", "exp": now() + 3600}
    return signed(PRIVATE, claims, "ES256", kid=kid).decode()


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    issuer = await FakeIssuer().start()
    yield issuer
    await issuer.close()


async def statuses(maitre: Maitre, token: str) -> set[int]:
    """On new connections, which the kernel spreads over the workers."""
    connections = [maitre.connection(token) for _ in range(CONNECTIONS)]
    return {answer.status for answer in await asyncio.gather(*(each.post("digits") for each in connections))}


async def until(maitre: Maitre, token: str, wanted: set[int], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while await statuses(maitre, token) != wanted:
            await asyncio.sleep(0.02)


async def serving(serve, recording_replicas, auth: str) -> Maitre:
    replicas = await recording_replicas(1, slots=4 * CONNECTIONS, ms=0)
    version = fixed_version(replicas.all, maxConcurrentRequestsPerReplica=replicas.slots)
    maitre = await serve(endpoint(version, auth=auth), "--workers", "2", "--log-level", "debug")
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    return maitre


async def test_own_tokens_in_every_worker_until_their_key_is_gone(serve, recording_replicas):
    maitre = await serving(serve, recording_replicas, "mode: token, keysFile: keys.yaml")
    token, rotated = own(), own("rotated-key-0123456789")
    assert await statuses(maitre, token) == {200}
    for refused in (rotated, KEYS["primaryKey"], token[:-3] + "AAA"):
        assert await statuses(maitre, refused) == {401}
    keys = maitre.config.with_name("keys.yaml")
    keys.write_text(f"primaryKey: rotated-key-0123456789\nsecondaryKey: {KEYS['primaryKey']}\n")
    await until(maitre, rotated, {200}, IN_FORCE_S)
    assert await statuses(maitre, token) == {200}, "signed with what is the secondary key now"
    keys.write_text("primaryKey: rotated-key-0123456789\nsecondaryKey: another-key-0123456789\n")
    await until(maitre, token, {401}, IN_FORCE_S)
    assert await statuses(maitre, rotated) == {200}
    assert await maitre.stop() == 0
    for secret in (token, rotated, *KEYS.values(), "rotated-key-0123456789", "another-key-0123456789"):
        assert not any(secret in line for line in maitre.log)


RSA = rsa.generate_private_key(65537, 2048)
SECRET = own_secret(KEYS["primaryKey"], "default/digits")
RIGHT = {"iss": "maitre", "aud": "default/digits", "jti": "x"}


def own_saying(secret: bytes = SECRET, /, *, alg: str = "HS256", **claims: object) -> str:
    """Signed with what the router signs with, whatever it says."""
    times = {"iat": now() - 10, "nbf": now() - 10, "exp": now() + 3600}
    return signed_hs256({"alg": alg, "typ": "JWT", "kid": own_key_id(SECRET)}, RIGHT | times | claims, secret).decode()


def unsigned() -> str:
    head, payload, _ = own_saying(alg="none").split(".")
    return f"{head}.{payload}."


def tampered() -> str:
    """The payload of another token, under a good signature."""
    head, _, signature = own_saying(exp=now() + 60).split(".")
    return f"{head}.{own_saying().split('.')[1]}.{signature}"


def by_public_key() -> str:
    """HMAC with the text of a public key that everybody knows, as if the router verified whatever a token says."""
    text = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return signed_hs256({"alg": "HS256", "kid": "rsa"}, OUTSIDE | {"exp": now() + 3600}, text).decode()


OUTSIDE = {"iss": "https://id.example", "aud": "digits"}
OWN_REFUSED = {
    "expired": lambda: own_saying(exp=now() - 61),
    "another audience": lambda: own_saying(aud="default/others"),
    "another issuer": lambda: own_saying(iss="somebody"),
    "none": unsigned,
    "none with a signature": lambda: own_saying(alg="none"),
    "signed by RSA": lambda: signed(RSA, RIGHT | {"exp": now() + 60}, "RS256", kid=own_key_id(SECRET)).decode(),
    "tampered": tampered,
    "not before another time": lambda: own_saying(nbf=now() + 120),
    "signed with the key itself": lambda: own_saying(KEYS["primaryKey"].encode()),
    "the key itself": lambda: KEYS["primaryKey"],
}
OUTSIDE_REFUSED = {
    "HMAC with a public key": by_public_key,
    "expired": lambda: signed(RSA, OUTSIDE | {"exp": now() - 61}, "RS256", kid="rsa").decode(),
    "another audience": lambda: signed(RSA, OUTSIDE | {"aud": "x", "exp": now() + 60}, "RS256", kid="rsa").decode(),
    "another issuer": lambda: signed(RSA, OUTSIDE | {"iss": "x", "exp": now() + 60}, "RS256", kid="rsa").decode(),
    "another key": lambda: signed(PRIVATE, OUTSIDE | {"exp": now() + 60}, "ES256", kid="rsa").decode(),
    "not before another time": lambda: signed(
        RSA, OUTSIDE | {"nbf": now() + 120, "exp": now() + 3600}, "RS256", kid="rsa"
    ).decode(),
    "a token of the router's own": own_saying,
}


async def all_refused(maitre: Maitre, refused: dict) -> None:
    bodies = set()
    for why, token in refused.items():
        answer = await maitre.connection(token()).post("digits")
        assert answer.status == 401, why
        assert answer.headers["www-authenticate"].startswith("bearer"), why
        bodies.add((answer.json()["error"]["code"], answer.json()["error"]["message"]))
    assert len(bodies) == 1, "nobody learns what was wrong"


async def test_a_token_that_is_wrong_in_any_way_is_refused(serve, recording_replicas):
    maitre = await serving(serve, recording_replicas, "mode: token, keysFile: keys.yaml")
    assert await statuses(maitre, own_saying()) == {200}, "it takes one that is right"
    await all_refused(maitre, OWN_REFUSED)


async def test_an_outside_token_that_is_wrong_in_any_way_is_refused(serve, recording_replicas, issuer):
    url = issuer.says("/keys", key_document(public_jwk(RSA, "rsa")))
    auth = f"mode: token, token: {{issuer: 'https://id.example', audience: digits, jwksUri: '{url}'}}"
    maitre = await serving(serve, recording_replicas, auth)
    right = signed(RSA, OUTSIDE | {"exp": now() + 60}, "RS256", kid="rsa").decode()
    assert await statuses(maitre, right) == {200}
    await all_refused(maitre, OUTSIDE_REFUSED)


async def test_tokens_of_an_issuer_that_goes_down(serve, recording_replicas, issuer):
    url = issuer.says("/keys", key_document(public_jwk(PRIVATE, "one")), "Cache-Control: max-age=1")
    token = f"mode: token, token: {{issuer: 'https://id.example', audience: digits, jwksUri: '{url}'}}"
    maitre = await serving(serve, recording_replicas, token)
    good = outside()
    assert await statuses(maitre, good) == {200}, "from the first request on"
    assert await statuses(maitre, outside("two")) == {401}
    assert issuer.asked == ["/keys"], "tokens with unknown keys, within a minute of the first fetch"
    await issuer.close()
    before = await until_workers(maitre, 2)
    maitre.process.send_signal(signal.SIGUSR2)
    await until_workers(maitre, 2, without=before)  # they learnt the keys from the control process
    assert await statuses(maitre, good) == {200}
    assert await maitre.stop() == 0
    assert not any(good in line for line in maitre.log)
    await issuer.start()


async def test_an_issuer_that_is_down_from_the_beginning_is_told_and_nobody_admitted(serve, recording_replicas, issuer):
    issuer.says("/keys", b"", status=503)
    token = f"mode: token, token: {{issuer: 'https://id.example', audience: digits, jwksUri: '{issuer.url}/keys'}}"
    maitre = await serving(serve, recording_replicas, token)
    assert await statuses(maitre, outside()) == {401}
    ready = await maitre.admin("/readyz")
    assert "issuer https://id.example: its keys cannot be fetched (no token of it is admitted)" in ready.text
    issuer.says("/keys", key_document(public_jwk(PRIVATE, "one")))
    await until(maitre, outside(), {200}, BOUND_S)
    assert "issuer" not in (await maitre.admin("/readyz")).text
