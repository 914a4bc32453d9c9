"""What a Secret gives: a pair, or what is wrong with it."""

from __future__ import annotations

import json

import pytest
from lightkube.core.decoders import decode_list, decode_object

from router.kube.resources import KeyEntries, KeySecret, SecretMetadata
from router.model.problems import Problem
from router.store.keys import KeyPair
from router.store.secrets import SecretKey, Secrets
from tests.fakes.resources import encoded, key_secret

KEY = ("default", "digits-keys")
GOOD = "secondary-key-0123"


@pytest.fixture
def changed() -> list[SecretKey]:
    return []


@pytest.fixture
def secrets(changed: list[SecretKey]) -> Secrets:
    return Secrets(changed.append)


def test_a_pair(secrets, changed):
    assert secrets.pair(KEY) is None
    secrets.put(key_secret("digits-keys", "primary-key-0123", GOOD))
    assert secrets.pair(KEY) == KeyPair("primary-key-0123", GOOD)
    secrets.put(key_secret("digits-keys", "primary-key-0123", GOOD))
    assert changed == [KEY]
    secrets.remove(key_secret("digits-keys", None, None))
    secrets.remove(key_secret("digits-keys", None, None))
    assert secrets.pair(KEY) is None
    assert changed == [KEY, KEY]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (KeyEntries(), "primaryKey: must be text of at least 16"),
        (None, "primaryKey: must be text of at least 16"),
        (KeyEntries(encoded("long-enough-key-01")), "secondaryKey: must be text of at least 16"),
        (KeyEntries(encoded("short"), encoded(GOOD)), "primaryKey: must be text of at least 16"),
        (KeyEntries(encoded("long-enough-key-01\n"), encoded(GOOD)), "primaryKey: must be text of at least 16"),
        (KeyEntries(encoded("long enough key 01"), encoded(GOOD)), "primaryKey: must not contain spaces"),
        (KeyEntries("/" * 32, encoded(GOOD)), "primaryKey: must be text of at least 16"),
        (KeyEntries("not base64", encoded(GOOD)), "primaryKey: must be text of at least 16"),
    ],
)
def test_what_holds_no_keys(secrets, entries, message):
    secrets.put(KeySecret(SecretMetadata("digits-keys", "default"), entries))
    problem = secrets.pair(KEY)
    assert isinstance(problem, Problem)
    assert str(problem).startswith(f"secret default/digits-keys: {message}")
    assert "long" not in str(problem)


def test_a_list_takes_away_what_is_not_in_it(secrets, changed):
    secrets.replace(None, [key_secret(name, GOOD, GOOD, namespace=space) for name, space in ("ax", "bx", "ay")])
    secrets.replace("x", [key_secret("b", GOOD, GOOD, namespace="x")])
    assert changed == [("x", "a"), ("x", "b"), ("y", "a"), ("x", "a")]
    secrets.replace(None, [])
    assert secrets.pair(("y", "a")) is None


def test_of_other_peoples_secrets_nothing_is_taken():
    """They are not even decoded. What a key Secret holds is not shown."""
    metadata = {"name": "theirs", "namespace": "web", "uid": "u", "resourceVersion": "7", "managedFields": [{}]}
    theirs = {"metadata": metadata, "type": "Opaque", "data": {"password": encoded("hunter2")}}
    ours = {"metadata": metadata, "data": {"primaryKey": encoded(GOOD), "secondaryKey": encoded(GOOD), "x": "eA=="}}
    listed = json.dumps({"metadata": {"resourceVersion": "9"}, "items": [theirs, ours]}).encode()
    _, version, (first, second) = decode_list(listed, KeySecret)
    assert version == "9"
    assert (first.data, first.metadata.resourceVersion) == (KeyEntries(), "7")
    assert second.data.primary_key == encoded(GOOD)
    assert encoded(GOOD) not in repr(second)
    bookmark = b'{"kind":"Secret","apiVersion":"v1","metadata":{"resourceVersion":"12","creationTimestamp":null}}'
    assert decode_object(bookmark, KeySecret).metadata.resourceVersion == "12"
