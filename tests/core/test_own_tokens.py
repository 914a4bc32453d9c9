"""Tokens of the router's own: which are good, and why all others are not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.core.own_tokens import OwnTokens
from router.core.tokens import MAX_BYTES, Refusal
from tests.fakes.tokens import NOW, encoded, own_key_id, own_secret, part, signed_hs256

PRIMARY, SECONDARY = "primary-key-0123456789", "secondary-key-0123456789"
ENDPOINT = ("default", "digits")
AUDIENCE = "default/digits"
TOKENS = OwnTokens(PRIMARY, SECONDARY, ENDPOINT)
SECRET = own_secret(PRIMARY, AUDIENCE)
HEADER = {"alg": "HS256", "typ": "JWT", "kid": own_key_id(SECRET)}
CLAIMS = {
    "iss": "maitre",
    "aud": AUDIENCE,
    "iat": int(NOW),
    "nbf": int(NOW),
    "exp": int(NOW) + 3600,
    "jti": "0123456789abcdef",
}
TEXT = TOKENS.issue(NOW, 3600, "0123456789abcdef").text.encode()


def by_hand(header=(), claims=(), secret=SECRET, without=()):
    """Signed with the right key, and otherwise wrong in what a test says."""
    said = {**CLAIMS, **dict(claims)}
    return signed_hs256(
        {**HEADER, **dict(header)}, {name: value for name, value in said.items() if name not in without}, secret
    )


def test_issued_ones_are_good_until_they_expire_and_to_be_renewed_at_half_of_it():
    issued = TOKENS.issue(NOW + 0.7, 3600, "x")
    assert (issued.refresh_after, issued.expires) == (NOW + 1800, NOW + 3600)
    assert TOKENS.verify(issued.text.encode(), NOW) == NOW + 3660


def test_they_say_what_the_decision_says():
    header, claims = (json.loads(urlsafe_b64decode(part + b"==")) for part in TEXT.split(b".")[:2])
    assert (header, claims) == (HEADER, CLAIMS)
    assert TOKENS.verify(by_hand(), NOW) == NOW + 3660


@pytest.mark.parametrize(
    ("late", "verdict"),
    [(3600, NOW + 3660), (3659.999, NOW + 3660), (3660, Refusal.EXPIRED), (1e9, Refusal.EXPIRED)],
)
def test_clocks_may_be_a_minute_apart_at_the_end(late, verdict):
    assert TOKENS.verify(TEXT, NOW + late) == verdict


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize(("early", "verdict"), [(60, NOW + 3660), (60.001, Refusal.NOT_YET), (3600, Refusal.NOT_YET)])
def test_and_at_the_beginning(claim, early, verdict):
    assert TOKENS.verify(by_hand(claims={claim: NOW + early}), NOW) == verdict


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        (by_hand(claims={"aud": "default/other"}), Refusal.AUDIENCE),
        (by_hand(claims={"aud": [AUDIENCE]}), Refusal.AUDIENCE),
        (by_hand(claims={"iss": "somebody"}), Refusal.ISSUER),
        *((by_hand(without={name}), Refusal.CLAIMS) for name in CLAIMS),
        *((by_hand(claims={name: str(int(NOW))}), Refusal.CLAIMS) for name in ("exp", "nbf", "iat")),
        *((by_hand(claims={name: True}), Refusal.CLAIMS) for name in ("exp", "nbf", "iat")),
        (by_hand(claims={"exp": None}), Refusal.CLAIMS),
        (by_hand(header={"alg": "none"}), Refusal.ALGORITHM),
        (by_hand(header={"alg": "None"}), Refusal.ALGORITHM),
        (by_hand(header={"alg": "hs256"}), Refusal.ALGORITHM),
        (by_hand(header={"alg": "HS512"}), Refusal.ALGORITHM),
        (by_hand(header={"alg": "RS256"}), Refusal.ALGORITHM),
        (by_hand(header={"alg": ["HS256"]}), Refusal.MALFORMED),
        (by_hand(header={"kid": "00000000"}), Refusal.UNKNOWN_KEY),
        (by_hand(header={"kid": None}), Refusal.UNKNOWN_KEY),
        (by_hand(header={"kid": 7}), Refusal.MALFORMED),
        (by_hand(header={"crit": ["b64"], "b64": False}), Refusal.MALFORMED),
        (by_hand(secret=PRIMARY.encode()), Refusal.SIGNATURE),
        (by_hand(secret=b""), Refusal.SIGNATURE),
        (by_hand(secret=own_secret(SECONDARY, AUDIENCE)), Refusal.SIGNATURE),
        (signed_hs256(HEADER, ["no object"], SECRET), Refusal.MALFORMED),
        (signed_hs256(["no object"], CLAIMS, SECRET), Refusal.MALFORMED),
        (by_hand(claims={"more": "x" * MAX_BYTES}), Refusal.TOO_LARGE),
        (b"x" * (MAX_BYTES + 1), Refusal.TOO_LARGE),
        (part({"alg": "none"}) + b"." + part(CLAIMS) + b".", Refusal.MALFORMED),
        (encoded(b"{" * 3000) + b"." + part(CLAIMS) + b".AA", Refusal.MALFORMED),
        (TEXT + b"=", Refusal.MALFORMED),
        (TEXT + b".AA", Refusal.MALFORMED),
        (TEXT.rpartition(b".")[0], Refusal.MALFORMED),
        (b"", Refusal.MALFORMED),
        (b"..", Refusal.MALFORMED),
        (b"a.a.a", Refusal.MALFORMED),
        (PRIMARY.encode(), Refusal.MALFORMED),
    ],
)
def test_all_others_are_refused_for_what_is_wrong_with_them(token, refusal):
    assert TOKENS.verify(token, NOW) is refusal


def test_a_payload_from_another_token_does_not_go_with_this_signature():
    header, _, signature = TEXT.split(b".")
    longer = part({**CLAIMS, "exp": int(NOW) + 10**6})
    assert TOKENS.verify(b".".join((header, longer, signature)), NOW) is Refusal.SIGNATURE


def test_another_endpoint_with_the_same_keys_takes_none_of_these():
    other = OwnTokens(PRIMARY, SECONDARY, ("default", "other"))
    assert other.verify(TEXT, NOW) is Refusal.UNKNOWN_KEY
    forged = signed_hs256({**HEADER, "kid": own_key_id(own_secret(PRIMARY, "default/other"))}, CLAIMS, SECRET)
    assert other.verify(forged, NOW) is Refusal.SIGNATURE


def test_regenerating_overlaps_and_then_revokes():
    rotated = OwnTokens("a-new-primary-012345", PRIMARY, ENDPOINT)
    assert rotated.verify(TEXT, NOW) == NOW + 3660
    revoked = OwnTokens("a-new-primary-012345", "a-new-secondary-0123", ENDPOINT)
    assert revoked.verify(TEXT, NOW) is Refusal.UNKNOWN_KEY


@given(position=st.integers(0, len(TEXT) - 1), byte=st.integers(0, 255))
@example(position=len(TEXT) - 1, byte=ord("="))
def test_any_other_byte_anywhere_makes_it_another_token(position, byte):
    changed = TEXT[:position] + bytes([byte]) + TEXT[position + 1 :]
    assert (TOKENS.verify(changed, NOW) == NOW + 3660) == (changed == TEXT)


def test_also_the_bits_that_decoders_overlook():
    """The last letter of 32 bytes has two bits to spare: four letters decode to the same signature."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = [last for last in alphabet if not isinstance(TOKENS.verify(TEXT[:-1] + bytes([last]), NOW), Refusal)]
    assert good == [TEXT[-1]]


@given(st.binary(max_size=300) | st.lists(st.binary(max_size=60).map(encoded), max_size=4).map(b".".join))
def test_garbage_is_refused(garbage):
    assert isinstance(TOKENS.verify(garbage, NOW), Refusal)


@given(start=st.integers(0, len(TEXT)), end=st.integers(0, len(TEXT)), put=st.binary(max_size=3))
def test_cuts_and_insertions_are_refused(start, end, put):
    changed = TEXT[:start] + put + TEXT[end:]
    assert changed == TEXT or isinstance(TOKENS.verify(changed, NOW), Refusal)


def test_nothing_shows_a_key_or_a_token():
    issued = TOKENS.issue(NOW, 60, "x")
    shown = f"{TOKENS!r} {TOKENS._keys!r} {issued!r}"
    assert PRIMARY not in shown
    assert issued.text not in shown
    assert SECRET.hex() not in shown
