"""Keys are changed where they are, and never shown."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from router.errors import EndpointChanged, EndpointUnknown, KeysUnknown, MaitreError, StoreFailed
from router.model.problems import ConfigurationRefused
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import MIN_LENGTH, KeyFiles, KeyPair, new_pair

ENDPOINT = """\
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {{name: digits}}
spec:
  auth: {{{auth}}}
  versions:
    - name: blue
      target: {{urls: ["http://127.0.0.1:5001"]}}
"""
MINE = """\
# rotate in May
secondaryKey: 'secondary-key-0123'   # for the batch jobs
primaryKey: primary-key-0123
owner: room 12
"""
PAIR = KeyPair("primary-key-0123", "secondary-key-0123")
KEY = ("default", "digits")


class Router:
    """A configuration of one endpoint, with a store that has loaded it."""

    def __init__(self, folder: Path, auth: str) -> None:
        self.file = folder / "digits.yaml"
        self.file.write_text(ENDPOINT.format(auth=auth))
        self.mine = folder / "mine.yaml"
        self.mine.write_text(MINE)
        self.made = folder / "state" / "keys" / "default.digits.json"
        keys = KeyFiles(folder / "state")
        self.store = FileStore(self.file, keys)
        self.writer = FileWriter(self.file, self.store, keys)

    def leaves_no_trace_of(self, error: BaseException | None, *keys: str) -> bool:
        """Also not in what the error came from."""
        while error is not None:
            if any(key in f"{error!r} {error}" for key in keys):
                return False
            error = error.__cause__ or error.__context__
        return True


async def test_in_the_users_file_only_the_key_changes(tmp_path):
    router = Router(tmp_path, "keysFile: mine.yaml")
    router.mine.chmod(0o640)
    assert await router.writer.keys(KEY) == PAIR
    await router.writer.put_keys(KEY, KeyPair(PAIR.primary, "another'key-0123"), PAIR)
    assert router.mine.read_text() == MINE.replace("secondary-key-0123", "another''key-0123")
    assert stat.S_IMODE(router.mine.stat().st_mode) == 0o640
    assert await router.writer.keys(KEY) == KeyPair(PAIR.primary, "another'key-0123")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("1" * MIN_LENGTH, "0x" + "1" * MIN_LENGTH)
@example("-" * MIN_LENGTH, "#" * MIN_LENGTH)
@given(*[st.text("".join(map(chr, range(33, 127))), min_size=MIN_LENGTH)] * 2)
def test_any_key_that_is_allowed_is_read_as_it_was_given(tmp_path, primary, secondary):
    router = Router(tmp_path, "keysFile: mine.yaml")
    pair = KeyPair(primary, secondary)

    async def change() -> None:
        await router.writer.put_keys(KEY, pair, PAIR)
        assert await router.writer.keys(KEY) == pair

    asyncio.run(change())


async def test_made_keys_stay_for_nobody_else_to_read(tmp_path):
    router = Router(tmp_path, "mode: key")
    before = (await router.store.load()).keys[KEY]
    assert await router.writer.keys(KEY) == before
    router.made.chmod(0o644)
    pair = KeyPair(new_pair().primary, before.secondary)
    await router.writer.put_keys(KEY, pair, before)
    assert json.loads(router.made.read_text()) == {"primaryKey": pair.primary, "secondaryKey": pair.secondary}
    assert stat.S_IMODE(router.made.stat().st_mode) == 0o600
    assert (await router.store.load()).keys[KEY] == pair


@pytest.mark.parametrize("auth", ["mode: key", "keysFile: mine.yaml"])
async def test_whoever_follows_has_new_keys_at_once_and_once(tmp_path, auth, monkeypatch):
    """Not by the watch, which sees nothing here."""

    async def watch(*_: object, **__: object) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr("router.store.files.awatch", watch)
    router = Router(tmp_path, auth)
    before = (await router.store.load()).keys[KEY]
    given: list[KeyPair] = []

    async def follow() -> None:
        async for configuration in router.store.changes():
            given[len(given) :] = [configuration.keys[KEY]]

    task = asyncio.get_running_loop().create_task(follow())
    await asyncio.sleep(0)  # it begins
    for _ in range(3):
        pair = KeyPair(new_pair().primary, before.secondary)
        await router.writer.put_keys(KEY, pair, before)
        assert given == [pair]
        before = given.pop()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_somebody_else_was_faster(tmp_path):
    router = Router(tmp_path, "keysFile: mine.yaml")
    pairs = [KeyPair(new_pair().primary, PAIR.secondary) for _ in range(5)]
    results = await asyncio.gather(*(router.writer.put_keys(KEY, pair, PAIR) for pair in pairs), return_exceptions=True)
    assert sum(isinstance(result, EndpointChanged) for result in results) == 4
    assert await router.writer.keys(KEY) == pairs[results.index(None)]


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ("mode: none", "its auth mode is none; set it to key"),
        (
            "mode: token, token: {issuer: a, audience: b, jwksUri: 'https://a'}",
            "its tokens come from a; ask there",
        ),
        ("mode: key", "there are no keys yet: .*default.digits.json does not exist"),
        ("keysFile: none.yaml", "there are no keys yet: .*none.yaml does not exist"),
        ("keysFile: .", r"cannot be read: Is a directory"),
        ("keysFile: digits.yaml", "primaryKey: must be text"),
    ],
)
async def test_endpoints_without_keys(tmp_path, auth, message):
    router = Router(tmp_path, auth)
    with pytest.raises(KeysUnknown, match=message):
        await router.writer.keys(KEY)
    with pytest.raises(KeysUnknown, match=message):
        await router.writer.put_keys(KEY, new_pair(), PAIR)
    assert not router.made.exists()
    with pytest.raises(EndpointUnknown):
        await router.writer.keys(("default", "letters"))


async def test_the_pair_that_signs_tokens_is_in_the_same_file(tmp_path):
    router = Router(tmp_path, "mode: token")
    router.made.parent.mkdir(parents=True)
    router.made.write_text(json.dumps({"primaryKey": PAIR.primary, "secondaryKey": PAIR.secondary}))
    assert await router.writer.keys(KEY) == PAIR
    pair = new_pair()
    await router.writer.put_keys(KEY, pair, PAIR)
    assert await router.writer.keys(KEY) == pair


async def test_a_key_that_is_not_good_enough_is_not_shown(tmp_path):
    router = Router(tmp_path, "keysFile: mine.yaml")
    with pytest.raises(ConfigurationRefused, match="primaryKey: must be text of at least 16") as refused:
        await router.writer.put_keys(KEY, KeyPair("hunter2", "hunter2-hunter2-hunter2"), PAIR)
    assert router.leaves_no_trace_of(refused.value, "hunter2")
    assert router.mine.read_text() == MINE


@pytest.mark.parametrize(
    "content",
    [
        "base: &b {primaryKey: primary-key-0123}\n<<: *b\nsecondaryKey: secondary-key-0123\n",
        "primaryKey: !x primary-key-0123\nsecondaryKey: secondary-key-0123\n",
        "primaryKey: primary-key-0123\nsecondaryKey: secondary-key-0123\n---\n",
    ],
)
async def test_a_file_that_is_no_plain_mapping(tmp_path, content):
    router = Router(tmp_path, "keysFile: mine.yaml")
    router.mine.write_text(content)
    with pytest.raises(MaitreError) as failed:
        await router.writer.put_keys(KEY, KeyPair("planted-key-0123", "planted-key-4567"), PAIR)
    assert isinstance(failed.value, StoreFailed | KeysUnknown)
    assert router.leaves_no_trace_of(failed.value, "planted", "primary-key", "secondary-key")
    assert router.mine.read_text() == content


async def test_a_deleted_endpoint_takes_the_keys_along_that_were_made_for_it(tmp_path):
    router = Router(tmp_path, "mode: key")
    await router.store.load()
    assert router.made.exists()
    await router.writer.delete(KEY, None)
    assert not router.made.exists()


async def test_the_users_keys_are_left(tmp_path):
    router = Router(tmp_path, "keysFile: mine.yaml")
    await router.writer.delete(KEY, None)
    assert router.mine.read_text() == MINE
