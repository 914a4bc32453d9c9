"""An issuer's keys over HTTP, from a real one on loopback."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from router.core.key_set import MAX_BYTES
from router.errors import KeySetRefused
from router.model.spec import KeySource
from router.store import key_fetcher
from router.store.key_fetcher import DISCOVERY, KeyFetcher
from tests.fakes.issuer import FakeIssuer
from tests.fakes.tokens import key_document, public_jwk

DOCUMENT = key_document(public_jwk(ec.generate_private_key(ec.SECP256R1()), "one"))


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    issuer = await FakeIssuer().start()
    yield issuer
    await issuer.close()


@pytest.fixture
async def fetcher() -> AsyncIterator[KeyFetcher]:
    fetcher = KeyFetcher()
    yield fetcher
    await fetcher.close()


@pytest.mark.parametrize(
    ("line", "max_age_s"),
    [
        ("X-None: 1", None),
        ("Cache-Control: public, max-age=600, must-revalidate", 600.0),
        ("cache-control: Max-Age=0", 0.0),
        ("Cache-Control: s-maxage=5", None),
        ("Cache-Control: max-age=later", None),
    ],
)
async def test_from_where_the_configuration_says(issuer, fetcher, line, max_age_s):
    url = issuer.says("/keys", DOCUMENT, line)
    assert await fetcher.fetch(KeySource("anybody", url)) == (DOCUMENT, max_age_s)
    assert issuer.asked == ["/keys"]


@pytest.mark.parametrize("end", ["", "/"])
async def test_from_where_the_issuer_says(issuer, fetcher, end):
    name = f"{issuer.url}/realms/a{end}"
    issuer.says("/realms/a" + DISCOVERY, json.dumps({"issuer": name, "jwks_uri": f"{issuer.url}/keys"}).encode())
    issuer.says("/keys", DOCUMENT)
    assert (await fetcher.fetch(KeySource(name, None))).document == DOCUMENT
    assert issuer.asked == ["/realms/a" + DISCOVERY, "/keys"]


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (b"<html>", "not that of this issuer"),
        (b"[]", "not that of this issuer"),
        (b'{"issuer": "https://other.example", "jwks_uri": "https://other.example/keys"}', "not that of this issuer"),
        (b'{"issuer": "ISSUER"}', "must be an https"),
        (b'{"issuer": "ISSUER", "jwks_uri": "http://10.0.0.1/keys"}', "must be an https"),
        (b'{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}', "must be an https"),
        (b'{"issuer": "ISSUER", "jwks_uri": ["https://a"]}', "must be an https"),
    ],
)
async def test_metadata_that_is_not_to_be_trusted(issuer, fetcher, metadata, says):
    issuer.says(DISCOVERY, metadata.replace(b"ISSUER", issuer.url.encode()))
    with pytest.raises(KeySetRefused, match=says):
        await fetcher.fetch(KeySource(issuer.url, None))
    assert issuer.asked == [DISCOVERY]


@pytest.mark.parametrize(
    ("body", "lines", "status", "says"),
    [
        (b"no", (), 503, "answers 503"),
        (b"", ("Location: /other",), 302, "answers 302"),
        (b"<html>", (), 200, "not JSON"),
        (b" " * (MAX_BYTES + 1), (), 200, f"more than {MAX_BYTES} bytes"),
        (key_document({"kty": "oct", "k": "AA"}), (), 200, "no public"),
    ],
)
async def test_answers_that_are_no_key_set(issuer, fetcher, body, lines, status, says):
    url = issuer.says("/keys", body, *lines, status=status)
    with pytest.raises(KeySetRefused, match=says):
        await fetcher.fetch(KeySource("anybody", url))
    assert issuer.asked == ["/keys"]


async def test_an_issuer_that_never_answers(issuer, fetcher, monkeypatch):
    monkeypatch.setattr(key_fetcher, "TIMEOUT_S", 0.05)
    with pytest.raises(KeySetRefused, match="no whole answer within"):
        await fetcher.fetch(KeySource("anybody", issuer.url + "/silence"))


async def test_an_issuer_that_is_not_there(issuer, fetcher):
    url = issuer.url
    await issuer.close()
    with pytest.raises(KeySetRefused, match="cannot be reached"):
        await fetcher.fetch(KeySource("anybody", url))
    await issuer.start()


async def test_a_compressed_answer_is_never_unpacked(issuer, fetcher):
    url = issuer.says("/keys", gzip.compress(DOCUMENT), "Content-Encoding: gzip")
    with pytest.raises(KeySetRefused, match="not JSON"):
        await fetcher.fetch(KeySource("anybody", url))
