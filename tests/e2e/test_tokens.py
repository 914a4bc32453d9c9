"""Tokens, with whole processes: several workers, keys that change, an issuer that goes down; no secret in the log."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from router.core.own_tokens import OwnTokens
from tests.e2e.conftest import BOUND_S, KEYS, Maitre, endpoint, fixed_version
from tests.e2e.workers import until_workers
from tests.fakes.issuer import FakeIssuer
from tests.fakes.tokens import key_document, public_jwk, signed

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
