"""A file is in force whole, or its last good content is."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.store.configuration import Configuration
from router.store.files import FileStore
from router.store.keys import KeyFiles

ENDPOINT = """
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {{name: {name}}}
spec:
  auth: {{{auth}}}
  hosts: [{hosts}]
  versions:
    - name: {version}
      target: {{urls: ["http://127.0.0.1:5001"]}}
"""


def text(name: str, version: str = "blue", auth: str = "mode: none", hosts: str = "") -> str:
    return ENDPOINT.format(name=name, version=version, auth=auth, hosts=hosts)


def names(configuration: Configuration) -> dict[str, str]:
    """Endpoint and first version of everything in force."""
    return {name: e.spec.versions[0].name for (_, name), e in configuration.catalogue.endpoints.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints"
    path.mkdir()
    return path


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> FileStore:
    return FileStore(folder, KeyFiles(tmp_path / "state"))


async def test_a_wrong_edit_leaves_the_last_good_content(store, folder):
    (folder / "one.yaml").write_text(text("one"))
    (folder / "two.yaml").write_text(text("two"))
    assert names(await store.load()) == {"one": "blue", "two": "blue"}
    (folder / "one.yaml").write_text(text("one", version="NO"))
    (folder / "two.yaml").write_text(text("two", version="green"))
    after = await store.load()
    assert names(after) == {"one": "blue", "two": "green"}
    assert [problem.line for problem in after.problems] == [9]
    (folder / "one.yaml").write_text(text("one", version="red"))
    healed = await store.load()
    assert names(healed) == {"one": "red", "two": "green"}
    assert healed.problems == ()


async def test_a_file_that_goes_takes_its_endpoints_with_it(store, folder):
    (folder / "one.yaml").write_text(text("one"))
    (folder / "two.yaml").write_text(text("two"))
    await store.load()
    (folder / "one.yaml").unlink()
    after = await store.load()
    assert names(after) == {"two": "blue"}
    assert after.problems == ()


async def test_an_edit_cannot_take_what_another_file_has(store, folder):
    """Not even when its name comes first: what is in force stays, and the edit is what is refused."""
    (folder / "a.yaml").write_text(text("one"))
    (folder / "b.yaml").write_text(text("two", hosts="two.example.com"))
    await store.load()
    (folder / "a.yaml").write_text(text("one", version="green", hosts="two.example.com"))
    after = await store.load()
    assert names(after) == {"one": "blue", "two": "blue"}
    assert [Path(problem.source).name for problem in after.problems] == ["a.yaml"]
    assert "two.example.com is taken already" in str(after.problems[0])
    (folder / "b.yaml").unlink()
    assert names(await store.load()) == {"one": "green"}


async def test_a_new_file_cannot_take_a_name(store, folder):
    (folder / "b.yaml").write_text(text("one"))
    await store.load()
    (folder / "a.yaml").write_text(text("one", version="green"))
    after = await store.load()
    assert names(after) == {"one": "blue"}
    assert "b.yaml" in str(after.problems[0])


async def test_the_directory_goes_away(store, folder):
    (folder / "one.yaml").write_text(text("one"))
    await store.load()
    folder.rename(folder.with_name("elsewhere"))
    after = await store.load()
    assert names(after) == {"one": "blue"}
    assert "there is no configuration file here" in str(after.problems[0])


async def test_an_empty_directory_is_a_problem(store):
    assert "no configuration file" in str((await store.load()).problems[0])


async def test_key_files_that_become_wrong(store, folder):
    keys = folder / "keys.yaml"
    keys.write_text("primaryKey: primary-key-0123\nsecondaryKey: secondary-key-0123\n")
    (folder / "one.yaml").write_text(text("one", auth="keysFile: keys.yaml"))
    before = await store.load()
    assert before.problems == ()
    keys.write_text("primaryKey: short\n")
    after = await store.load()
    assert after.keys == before.keys
    assert len(after.problems) == 1


@pytest.fixture
async def following(store, folder) -> AsyncIterator[asyncio.Queue[Configuration]]:
    """What `changes` gives, from a store that has read its files once."""
    (folder / "one.yaml").write_text(text("one"))
    await store.load()
    given: asyncio.Queue[Configuration] = asyncio.Queue()

    async def follow() -> None:
        async for configuration in store.changes():
            given.put_nowait(configuration)

    task = asyncio.get_running_loop().create_task(follow())
    yield given
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_changes_are_seen(following, folder):
    (folder / "one.yaml").write_text(text("one", version="green"))
    async with asyncio.timeout(10):
        while names(await following.get()) != {"one": "green"}:
            pass
    part = folder / ".part"
    part.write_text(text("one", version="red"))
    part.replace(folder / "one.yaml")
    async with asyncio.timeout(10):
        while names(await following.get()) != {"one": "red"}:
            pass
    (folder / "notes.txt").write_text("not configuration")
    (folder / "two.yaml").write_text(text("two"))
    async with asyncio.timeout(10):
        while names(await following.get()) != {"one": "red", "two": "blue"}:
            pass


async def test_a_key_file_elsewhere_is_watched_too(following, folder, tmp_path):
    elsewhere = tmp_path / "secrets"
    elsewhere.mkdir()
    keys = elsewhere / "keys.yaml"
    keys.write_text("primaryKey: primary-key-0123\nsecondaryKey: secondary-key-0123\n")
    (folder / "one.yaml").write_text(text("one", auth=f"keysFile: {keys}"))
    async with asyncio.timeout(10):
        while not (await following.get()).keys:
            pass
        keys.write_text("primaryKey: another-key-0123\nsecondaryKey: secondary-key-0123\n")
        while (await following.get()).keys["default", "one"].primary != "another-key-0123":
            pass


async def test_keys_are_read_for_tokens_of_the_routers_own_too(store, folder):
    (folder / "keys.yaml").write_text("primaryKey: primary-key-0123\nsecondaryKey: secondary-key-0123\n")
    outside = "mode: token, token: {issuer: 'https://i', audience: a, jwksUri: 'https://i/k'}"
    (folder / "one.yaml").write_text(text("one", auth="mode: token, keysFile: keys.yaml"))
    (folder / "two.yaml").write_text(text("two", auth="mode: token"))
    (folder / "three.yaml").write_text(text("three", auth=outside))
    keys = (await store.load()).keys
    assert keys["default", "one"].primary == "primary-key-0123"
    assert {name for _, name in keys} == {"one", "two"}


async def test_what_was_written_is_handed_on_before_the_watch_sees_it(store, folder, monkeypatch):
    """Once, and not again when the watch sees it as well."""
    (folder / "one.yaml").write_text(text("one"))
    await store.load()
    looks = asyncio.Event()
    blind = asyncio.Event()

    async def watch(*_: object, **__: object) -> AsyncIterator[None]:
        blind.set()
        while True:
            await looks.wait()
            looks.clear()
            yield None

    monkeypatch.setattr("router.store.files.awatch", watch)
    given: list[dict[str, str]] = []

    async def follow() -> None:
        async for configuration in store.changes():
            given[len(given) :] = [names(configuration)]

    task = asyncio.get_running_loop().create_task(follow())
    await blind.wait()
    (folder / "one.yaml").write_text(text("one", version="green"))
    await store.handed_on()
    assert given == [{"one": "green"}]
    looks.set()
    await store.handed_on()
    await store.handed_on()
    assert given == [{"one": "green"}]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.handed_on()  # nobody follows any more, nobody is waited for


async def test_a_watch_that_fails_ends_the_following(store, folder, monkeypatch):
    (folder / "one.yaml").write_text(text("one"))
    await store.load()

    async def watch(*_: object, **__: object) -> AsyncIterator[None]:
        raise OSError("no more watches")
        yield

    monkeypatch.setattr("router.store.files.awatch", watch)
    with pytest.raises(OSError, match="no more watches"):
        async for _ in store.changes():
            pass


async def test_made_keys_that_were_rewritten_are_read_again(store, folder, tmp_path):
    (folder / "one.yaml").write_text(text("one", auth="mode: key"))
    before = (await store.load()).keys["default", "one"]
    made = tmp_path / "state" / "keys" / "default.one.json"
    made.write_text(made.read_text().replace(before.primary, "another-key-0123"))
    assert (await store.load()).keys["default", "one"] == before
    await store.handed_on(rewritten=("default", "one"))
    assert (await store.load()).keys["default", "one"].primary == "another-key-0123"


async def test_a_file_may_say_that_it_has_no_endpoints(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(text("one"))
    store = FileStore(path, KeyFiles(tmp_path / "state"))
    await store.load()
    path.write_text("")
    assert names(await store.load()) == {"one": "blue"}
    path.write_text("[]\n")
    after = await store.load()
    assert (names(after), after.problems) == ({}, ())
