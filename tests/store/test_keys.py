import json
import stat

import pytest

from router.model.problems import Problem
from router.model.spec import Auth, EndpointSpec, Metadata, ScoringEndpoint, Target, Version
from router.store.keys import KeyFiles, KeyPair, new_pair


def endpoint(**auth: object) -> ScoringEndpoint:
    version = Version(name="blue", target=Target(urls=("http://127.0.0.1:1",)))
    return ScoringEndpoint(metadata=Metadata(name="digits"), spec=EndpointSpec(auth=Auth(**auth), versions=(version,)))


def test_made_once_and_for_nobody_else_to_read(tmp_path):
    files = KeyFiles(tmp_path / "state")
    pair = files.pair(endpoint(), tmp_path)
    assert isinstance(pair, KeyPair)
    path = files.made_path(("default", "digits"))
    assert path == tmp_path / "state" / "keys" / "default.digits.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert json.loads(path.read_text()) == {"primaryKey": pair.primary, "secondaryKey": pair.secondary}
    assert files.pair(endpoint(), tmp_path) == pair
    assert not list(path.parent.glob(".*")), "no unfinished file is left"


def test_the_users_own(tmp_path):
    (tmp_path / "mine.yaml").write_text("primaryKey: primary-key-0123\nsecondaryKey: secondary-key-0123\n")
    pair = KeyFiles(tmp_path / "state").pair(endpoint(keys_file="mine.yaml"), tmp_path)
    assert pair == KeyPair("primary-key-0123", "secondary-key-0123")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        ("a list", "must be a mapping with primaryKey and secondaryKey"),
        ("{primaryKey: [", "is not YAML or JSON"),
        ("primaryKey: long-enough-key-01", "secondaryKey: must be text of at least 16"),
        ("{primaryKey: short, secondaryKey: long-enough-key-01}", "primaryKey: must be text of at least 16"),
        ("{primaryKey: 12345678901234567890, secondaryKey: long-enough-key-01}", "primaryKey: must be text"),
        ("{primaryKey: 'with spaces 012345', secondaryKey: long-enough-key-01}", "primaryKey: must not contain spaces"),
        ("{primaryKey: 'nön-äscii-0123456', secondaryKey: long-enough-key-01}", "primaryKey: must be text"),
    ],
)
def test_files_that_hold_no_keys(tmp_path, content, message):
    """Never with a piece of the file in the message: it may be a key."""
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_text(content)
    problem = KeyFiles(tmp_path).pair(endpoint(keys_file="mine.yaml"), tmp_path)
    assert isinstance(problem, Problem)
    assert message in str(problem)
    assert str(path) in str(problem)
    assert "long-enough" not in str(problem)


def test_keys_do_not_show():
    pair = new_pair()
    assert pair.primary not in repr(pair)
    assert pair.secondary not in repr(pair)
    assert len(pair.primary) >= 43, "32 bytes of entropy"
    assert pair.primary != pair.secondary
