"""Tokens of an outside issuer, signed with real keys of each kind: which are good, and why all others are not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from router.core.key_set import MAX_BYTES, MAX_KEYS, KeySet
from router.core.outside_tokens import OutsideTokens
from router.core.tokens import Refusal
from router.errors import KeySetRefused
from router.model.spec import OutsideIssuer
from tests.fakes.tokens import NOW, encoded, key_document, part, public_jwk, signed, signed_hs256

ISSUER, AUDIENCE = "https://id.example", "digits"
RSA, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC256, EC384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS = KeySet.from_document(
    key_document(public_jwk(RSA, "rsa"), public_jwk(EC256, "ec256"), public_jwk(EC384, "ec384"), public_jwk(ED, "ed"))
)
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 3600}
GOOD = NOW + 3660
PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """An endpoint's tokens, and how often a key was missing."""

    def __init__(self, keys=KEYS, **terms):
        self.missing = 0
        terms = OutsideIssuer(issuer=ISSUER, audience=AUDIENCE, **terms)
        self.tokens = OutsideTokens(terms, keys, self._miss)

    def _miss(self):
        self.missing += 1

    def verdict(self, token, now=NOW):
        return self.tokens.verify(token, now)


def claiming(without=(), **claims):
    said = {**CLAIMS, **claims}
    return signed(RSA, {name: value for name, value in said.items() if name not in without}, kid="rsa")


@pytest.mark.parametrize(
    ("private", "algorithm", "kid"),
    [
        (RSA, "RS256", "rsa"),
        (RSA, "RS512", "rsa"),
        (RSA, "PS256", "rsa"),
        (EC256, "ES256", "ec256"),
        (EC384, "ES384", "ec384"),
        (ED, "EdDSA", "ed"),
    ],
)
def test_each_kind_of_key_signs_with_its_own_algorithms_where_they_are_allowed(private, algorithm, kid):
    token = signed(private, CLAIMS, algorithm, kid=kid)
    assert Issuer(algorithms=(algorithm,)).verdict(token) == GOOD
    expected = GOOD if algorithm in ("RS256", "ES256") else Refusal.ALGORITHM
    assert Issuer().verdict(token) == expected


EVERYTHING = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@pytest.mark.parametrize("secret", [PEM, PEM.rstrip(), DER, b""])
@pytest.mark.parametrize("header", [{"alg": "HS256", "kid": "rsa"}, {"alg": "RS256", "kid": "rsa"}])
def test_a_public_key_is_no_secret(secret, header):
    verdict = Issuer(algorithms=EVERYTHING).verdict(signed_hs256(header, CLAIMS, secret))
    assert verdict is (Refusal.ALGORITHM if header["alg"] == "HS256" else Refusal.SIGNATURE)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "ES256K", "rs256"])
def test_algorithms_that_are_never_taken(algorithm):
    token = part({"alg": algorithm, "kid": "rsa"}) + b"." + part(CLAIMS) + b"." + encoded(b"x" * 32)
    assert Issuer(algorithms=EVERYTHING).verdict(token) is Refusal.ALGORITHM


@pytest.mark.parametrize("kid", ["rsa", "ec384", "ed"])
def test_a_key_of_another_kind_or_curve_is_not_tried(kid):
    assert Issuer(algorithms=EVERYTHING).verdict(signed(EC256, CLAIMS, "ES256", kid=kid)) is Refusal.ALGORITHM


def test_a_key_that_is_for_one_algorithm_takes_no_other():
    keys = KeySet.from_document(key_document(public_jwk(RSA, "rsa", alg="PS256")))
    assert Issuer(keys, algorithms=EVERYTHING).verdict(claiming()) is Refusal.ALGORITHM


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        (claiming(iss="https://other.example"), Refusal.ISSUER),
        (claiming(iss=[ISSUER]), Refusal.ISSUER),
        (claiming(without={"iss"}), Refusal.ISSUER),
        (claiming(aud="other"), Refusal.AUDIENCE),
        (claiming(aud=["other", 7]), Refusal.AUDIENCE),
        (claiming(aud={AUDIENCE: 1}), Refusal.AUDIENCE),
        (claiming(without={"aud"}), Refusal.AUDIENCE),
        (claiming(without={"exp"}), Refusal.CLAIMS),
        (claiming(exp="soon"), Refusal.CLAIMS),
        (claiming(exp=NOW - 60), Refusal.EXPIRED),
        (claiming(nbf=NOW + 60.5), Refusal.NOT_YET),
        (claiming(iat=NOW + 3600), Refusal.NOT_YET),
        (signed(OTHER, CLAIMS, kid="rsa"), Refusal.SIGNATURE),
        (claiming() + b"A", Refusal.SIGNATURE),
        (b"garbage", Refusal.MALFORMED),
        (claiming(more="x" * 8192), Refusal.TOO_LARGE),
    ],
)
def test_what_is_refused(token, refusal):
    issuer = Issuer()
    assert issuer.verdict(token) is refusal
    assert issuer.missing == 0


def test_clocks_may_be_a_minute_apart_and_one_of_several_audiences_is_enough():
    assert Issuer().verdict(claiming(exp=NOW - 59.5)) == NOW + 0.5
    assert Issuer().verdict(claiming(nbf=NOW + 60)) == GOOD
    assert Issuer().verdict(claiming(aud=["other", AUDIENCE])) == GOOD


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"scope": "read score"}, True),
        ({"scp": "score"}, True),
        ({"scp": ["read", "score"]}, True),
        ({"scope": "scores"}, False),
        ({"scope": {"score": 1}}, False),
        ({}, False),
    ],
)
def test_required_scopes(claims, good):
    verdict = Issuer(required_scopes=("score",)).verdict(claiming(**claims))
    assert verdict == (GOOD if good else Refusal.SCOPE)


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"tid": "7", "roles": ["a", "scorer"]}, True),
        ({"tid": "7", "roles": "scorer"}, True),
        ({"tid": 7, "roles": "scorer"}, False),
        ({"tid": "7", "roles": "scorers"}, False),
        ({"tid": "7"}, False),
    ],
)
def test_required_claims(claims, good):
    verdict = Issuer(required_claims={"tid": "7", "roles": "scorer"}).verdict(claiming(**claims))
    assert verdict == (GOOD if good else Refusal.CLAIMS)


def test_an_unknown_key_is_asked_for_and_the_token_refused():
    issuer = Issuer()
    assert issuer.verdict(signed(RSA, CLAIMS, kid="new")) is Refusal.UNKNOWN_KEY
    assert issuer.missing == 1
    nothing = Issuer(None)
    assert nothing.verdict(claiming()) is Refusal.UNKNOWN_KEY
    assert nothing.missing == 1


def test_a_token_that_names_no_key_means_the_only_one():
    alone = KeySet.from_document(key_document(public_jwk(RSA, "rsa")))
    assert Issuer(alone).verdict(signed(RSA, CLAIMS)) == GOOD
    assert Issuer().verdict(signed(RSA, CLAIMS)) is Refusal.UNKNOWN_KEY


TOKEN = claiming()


@given(position=st.integers(0, len(TOKEN) - 1), byte=st.integers(0, 255))
def test_any_other_byte_anywhere_makes_it_another_token(position, byte):
    changed = TOKEN[:position] + bytes([byte]) + TOKEN[position + 1 :]
    assert (Issuer().verdict(changed) == GOOD) == (changed == TOKEN)


PRIVATE = {"kty": "EC", "crv": "P-256", "kid": "p", "d": "AA", "x": "AA", "y": "AA"}


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
        public_jwk(rsa.generate_private_key(65537, 1024), "weak"),
        public_jwk(RSA, "rsa", use="enc"),
        public_jwk(RSA, "rsa", key_ops=["encrypt"]),
        public_jwk(RSA, "rsa", alg="HS256"),
        {**RSAAlgorithm.to_jwk(RSA, as_dict=True), "key_ops": ["verify"]},
        {**public_jwk(RSA, "rsa"), "n": 7},
        {**public_jwk(RSA, "rsa"), "n": ""},
        {"kty": "RSA", "kid": "x"},
        {"kty": ["RSA"]},
        public_jwk(RSA, None, kid=7),
        PRIVATE,
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        "text",
    ],
)
def test_keys_that_cannot_be_used_are_left_out(key):
    assert repr(KeySet.from_document(key_document(key, public_jwk(EC256, "good")))) == "<KeySet ['good']>"
    with pytest.raises(KeySetRefused, match="no public RSA, EC or OKP key"):
        KeySet.from_document(key_document(key))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[]", "list `keys`"),
        (b'{"keys": {}}', "list `keys`"),
        (b'{"keys": [%b0]}' % (b"0," * MAX_KEYS), "list `keys`"),
        (b" " * (MAX_BYTES + 1), "larger"),
        (b'{"keys": []}', "no public"),
    ],
)
def test_what_is_no_key_set(document, says):
    with pytest.raises(KeySetRefused, match=says):
        KeySet.from_document(document)


@given(st.binary(max_size=200))
def test_nothing_but_a_refusal_comes_of_garbage(document):
    with pytest.raises(KeySetRefused):
        KeySet.from_document(document)
