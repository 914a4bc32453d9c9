"""What the admin API hands out as tokens, from the keys of the store."""

import pytest

from router.core.own_tokens import OwnTokens
from router.errors import EndpointUnknown, KeysUnknown, NoTokens
from router.store.keys import KeyPair, rotated
from router.store.token_issuer import TokenIssuer
from router.store.writing import Stored

NOW = 1_800_000_000.5
KEY = ("team", "digits")
PAIR = KeyPair("primary-key-0123", "secondary-key-0123")
ISSUER = {"issuer": "https://id.example", "audience": "digits"}


class Endpoints:
    """The part of an `EndpointWriter` that is asked."""

    def __init__(self, auth, pair=PAIR):
        self.auth, self.pair = auth, pair

    async def read(self, key):
        if key != KEY:
            return None
        spec = {} if self.auth is None else {"auth": self.auth}
        return Stored(key, {"metadata": {"name": key[1], "namespace": key[0]}, "spec": spec}, "1")

    async def keys(self, key):
        if self.pair is None:
            raise KeysUnknown("they are not made yet")
        return self.pair


def issuer(auth, pair=PAIR):
    return TokenIssuer(Endpoints(auth, pair), lambda: NOW)


async def test_a_token_for_twelve_hours_to_be_renewed_after_six():
    answer = await issuer({"mode": "token"}).issue(KEY)
    token = answer.pop("access_token")
    assert answer == {"refresh_after": 1_800_021_600, "expiry_on": 1_800_043_200, "token_type": "Bearer"}
    assert OwnTokens(PAIR.primary, PAIR.secondary, KEY).verify(token.encode(), NOW) == 1_800_043_260


async def test_no_two_are_alike():
    tokens = issuer({"mode": "token"})
    assert (await tokens.issue(KEY, 60))["access_token"] != (await tokens.issue(KEY, 60))["access_token"]


@pytest.mark.parametrize("seconds", [59, 86_401, 0, -1])
async def test_how_long_is_bounded(seconds):
    with pytest.raises(ValueError, match="from 60 to 86400"):
        await issuer({"mode": "token"}).issue(KEY, seconds)


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        (None, "has auth.mode key"),
        ({"mode": "key"}, "has auth.mode key"),
        ({"mode": "none"}, "has auth.mode none"),
        ({"mode": "token", "token": ISSUER}, "ask https://id.example"),
    ],
)
async def test_who_issues_none(auth, says):
    with pytest.raises(NoTokens, match=says):
        await issuer(auth).issue(KEY)


async def test_what_is_not_there():
    with pytest.raises(EndpointUnknown):
        await issuer({"mode": "token"}).issue(("team", "other"))
    with pytest.raises(KeysUnknown):
        await issuer({"mode": "token"}, None).issue(KEY)


def test_rotating_keeps_what_was_primary():
    after = rotated(PAIR)
    assert after.secondary == PAIR.primary
    assert after.primary not in {PAIR.primary, PAIR.secondary}
    assert rotated(PAIR, "the-callers-own-01").primary == "the-callers-own-01"
