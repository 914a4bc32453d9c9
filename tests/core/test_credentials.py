"""Who may score: two keys, nothing else, and no key in sight."""

import pytest

from router.core.credentials import KeyRing, Nobody, NoCredentials, bearer_digest

RING = KeyRing("first-key", "second-key")
NOW = 1000.0


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer first-key",
        b"Bearer second-key",
        b"bearer first-key",  # RFC 9110 section 11.1: the scheme's name is case-insensitive
        b"BEARER first-key",
        b"Bearer  \tfirst-key",
        b"Bearer first-key \t",  # white space after a value is not part of it
    ],
)
def test_both_keys_are_valid_at_once(authorization):
    assert RING.admits(bearer_digest(authorization), NOW)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"first-key",
        b"Bearerfirst-key",
        b"Basic first-key",
        b" Bearer first-key",
        b"Bearer First-key",
        b"Bearer first-ke",
        b"Bearer first-keyy",
        b"Bearer first-key second-key",
        b"Bearer first-key, Bearer second-key",
        b"Bearer first\xffkey",
        b"Bearer first-key\x00",
        b"Bearer first-key\n",
    ],
)
def test_everything_else_is_refused(authorization):
    assert not RING.admits(bearer_digest(authorization), NOW)


def test_a_long_credential_is_one_more_wrong_one():
    assert not RING.admits(bearer_digest(b"Bearer " + b"x" * 65536), NOW)
    assert not RING.admits(bearer_digest(b"Bearer " + b" " * 65536), NOW)


def test_a_key_is_never_shown():
    assert repr(RING) == "<KeyRing of two keys>"


@pytest.mark.parametrize("authorization", [None, b"", b"Bearer whatever"])
def test_everybody_may_where_no_credentials_are_asked_for_and_nobody_where_there_are_none(authorization):
    assert NoCredentials().admits(bearer_digest(authorization), NOW)
    assert not Nobody().admits(bearer_digest(authorization), NOW)
