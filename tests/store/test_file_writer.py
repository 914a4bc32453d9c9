"""Endpoints are changed in the user's files: by the rules, whole, and without losing anybody's edit."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import EndpointChanged, EndpointExists, EndpointUnknown, StoreFailed
from router.model.parsing import parse
from router.model.problems import ConfigurationRefused
from router.store import file_writer
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles

DIGITS = """\
# the digits team, room 12
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {name: digits}   # short
spec:
  auth: {mode: none}
  versions:
    # calm
    - name: blue
      trafficPercentile: 80   # percent
      target: {urls: ["http://127.0.0.1:5001"]}
"""
LETTERS = DIGITS.replace("digits", "letters").replace("{mode: none}", "{ mode:  'none' }")
BOTH = DIGITS + "---\n" + LETTERS
KEY, OTHER = ("default", "digits"), ("default", "letters")


def resource(name: str = "digits", **spec: Any) -> dict[str, Any]:
    version = {"name": "blue", "trafficPercentile": 80, "target": {"urls": ["http://127.0.0.1:5001"]}}
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"auth": {"mode": "none"}, "versions": [version], **spec},
    }


def writer(path: Path) -> FileWriter:
    keys = KeyFiles(path.parent / "state")
    return FileWriter(path, FileStore(path, keys), keys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "all.yaml"
    path.write_text(BOTH)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints"
    path.mkdir()
    (path / "digits.yaml").write_text(DIGITS)
    (path / "letters.yml").write_text(LETTERS)
    return path


async def test_what_is_kept_is_what_the_user_wrote(file):
    found = await writer(file).all()
    assert [stored.key for stored in found] == [KEY, OTHER]
    assert found[0].resource == resource()
    assert found[0] == await writer(file).read(KEY)
    assert await writer(file).read(("other", "digits")) is None


async def test_one_number_is_changed_and_nothing_else(file):
    both = writer(file)
    other = await both.read(OTHER)
    versions = [{**resource()["spec"]["versions"][0], "trafficPercentile": 40}]
    after = await both.replace(resource(versions=versions), None)
    assert file.read_text() == BOTH.replace("80", "40", 1)
    assert after == await both.read(KEY)
    assert after.resource["spec"]["versions"][0]["trafficPercentile"] == 40
    assert await both.read(OTHER) == other, "its etag as well"


async def test_what_is_there_already_is_not_written(file):
    before = file.stat()
    stored = await writer(file).replace(resource(), None)
    assert file.stat() == before
    assert stored.resource == resource()


async def test_a_created_endpoint_in_one_file_is_a_document_more(file):
    await writer(file).create(resource("signs"))
    assert file.read_text().startswith(BOTH + "---\napiVersion: maitre.dev/v1alpha1\n")
    names = [endpoint.name for endpoint in parse(file.read_text(), "all.yaml").endpoints]
    assert names == ["digits", "letters", "signs"]
    assert "namespace" not in file.read_text()


async def test_a_created_endpoint_in_a_directory_is_a_file_more(folder):
    (folder / "signs.yaml").write_text("primaryKey: primary-key-0123\nsecondaryKey: secondary-key-0123\n")
    (folder / "other.digits.yaml").symlink_to("nowhere")
    both = writer(folder)
    await both.create(resource("marks"))
    await both.create(resource("signs"))
    for name in ("digits", "marks"):
        stored = await both.create({**resource(), "metadata": {"name": name, "namespace": "other"}})
        assert await both.read(("other", name)) == stored
    names = {"digits.yaml", "letters.yml", "marks.yaml", "default.signs.yaml", "other.marks.yaml"}
    assert {path.name for path in folder.iterdir()} == names | {
        "signs.yaml",
        "other.digits.yaml",
        "other.digits.2.yaml",
    }
    assert (folder / "digits.yaml").read_text() == DIGITS


async def test_a_deleted_document_takes_nothing_along(file):
    both = writer(file)
    await both.delete(KEY, None)
    assert file.read_text() == "# the digits team, room 12\n---\n" + LETTERS
    await both.delete(OTHER, None)
    assert file.read_text() == "# the digits team, room 12\n[]\n"
    assert await both.all() == []
    await both.create(resource("signs"))
    assert file.read_text().startswith("# the digits team, room 12\napiVersion")


async def test_in_a_directory_the_file_goes_but_not_the_last_one(folder):
    both = writer(folder)
    await both.delete(KEY, None)
    assert [path.name for path in folder.iterdir()] == ["letters.yml"]
    await both.delete(OTHER, None)
    store = FileStore(folder, KeyFiles(folder / "state"))
    configuration = await store.load()
    assert (dict(configuration.catalogue.endpoints), configuration.problems) == ({}, ())


async def test_a_file_of_json_stays_json(tmp_path):
    path = tmp_path / "digits.json"
    path.write_text(json.dumps(resource(), indent=1))
    one = writer(path)
    await one.replace(resource(hosts=["a.example.com"]), None)
    assert json.loads(path.read_text()) == resource(hosts=["a.example.com"])
    with pytest.raises(StoreFailed, match="serve a directory, or a YAML file"):
        await one.create(resource("letters"))
    await one.delete(KEY, None)
    assert json.loads(path.read_text()) == []
    await one.create(resource("letters"))
    assert json.loads(path.read_text())["metadata"] == {"name": "letters"}


async def test_a_byte_order_mark_and_line_breaks_of_windows_stay(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BOTH.replace("\n", "\r\n").encode())
    await writer(path).replace(resource("letters", serverTiming=True), None)
    expected = (BOTH + "  serverTiming: true\n").replace("\n", "\r\n")
    assert path.read_bytes() == b"\xef\xbb\xbf" + expected.encode()


async def test_what_breaks_a_rule_is_refused_in_the_words_of_check(file):
    with pytest.raises(ConfigurationRefused) as refused:
        await writer(file).replace(resource(versions=[]), None)
    assert "spec.versions" in str(refused.value)
    with pytest.raises(ConfigurationRefused, match="unknown key 'host'"):
        await writer(file).create(resource("signs", host="a"))
    assert file.read_text() == BOTH


async def test_what_another_endpoint_has_is_refused_whatever_the_names_of_their_files(folder):
    both = writer(folder)
    await both.replace(resource(hosts=["a.example.com"]), None)
    await both.replace(resource("letters", hosts=["b.example.com"]), None)
    with pytest.raises(ConfigurationRefused, match=r"b\.example\.com is taken already, by .*letters\.yml:12"):
        await both.replace(resource(hosts=["b.example.com"]), None)
    with pytest.raises(ConfigurationRefused, match=r"a\.example\.com is taken already, by .*digits\.yaml:12"):
        await both.replace(resource("letters", hosts=["a.example.com"]), None)
    with pytest.raises(ConfigurationRefused, match=r"a\.example\.com is taken already"):
        await both.create(resource("signs", hosts=["a.example.com"]))
    assert sorted(path.name for path in folder.iterdir()) == ["digits.yaml", "letters.yml"]


async def test_what_is_in_force_of_a_file_that_is_wrong_now_is_taken_too(folder):
    (folder / "letters.yml").write_text(LETTERS + "  hosts: [b.example.com]\n")
    keys = KeyFiles(folder / "state")
    store = FileStore(folder, keys)
    await store.load()
    (folder / "letters.yml").write_text("kind: [")
    both = FileWriter(folder, store, keys)
    with pytest.raises(ConfigurationRefused, match=r"b\.example\.com is taken already"):
        await both.replace(resource(hosts=["b.example.com"]), None)
    stored = await both.read(OTHER)
    assert stored is not None
    assert stored.resource == resource("letters", hosts=["b.example.com"])
    with pytest.raises(ConfigurationRefused, match=r"letters\.yml:1: not YAML"):
        await both.delete(OTHER, None)
    with pytest.raises(EndpointExists, match=r"letters\.yml"):
        await both.create(resource("letters"))
    assert (folder / "letters.yml").read_text() == "kind: ["


async def test_in_the_middle_of_an_edit_nothing_is_changed(file):
    """Also not the endpoint beside the one that is wrong, and not by the change that would heal it."""
    middle = BOTH.replace("name: blue", "name: B", 1)
    file.write_text(middle)
    both = writer(file)
    for change in (
        both.replace(resource(), None),
        both.replace(resource("letters", serverTiming=True), None),
        both.delete(KEY, None),
        both.create(resource("signs")),
    ):
        with pytest.raises(ConfigurationRefused, match=r"all\.yaml:9: .*name: \"B\" is not allowed"):
            await change
    assert file.read_text() == middle


async def test_what_is_not_there_and_what_is_there_already(file):
    both = writer(file)
    with pytest.raises(EndpointUnknown, match="there is no endpoint default/signs"):
        await both.replace(resource("signs"), None)
    with pytest.raises(EndpointUnknown):
        await both.delete(("other", "digits"), None)
    with pytest.raises(EndpointExists, match=r"there is an endpoint default/digits already, in .*all\.yaml"):
        await both.create(resource())
    assert file.read_text() == BOTH


async def test_an_edit_by_hand_counts(file):
    both = writer(file)
    before = await both.read(KEY)
    assert before is not None
    file.write_text(BOTH.replace("80", "70", 1).replace("calm", "a comment is no change"))
    with pytest.raises(EndpointChanged, match="look at it again"):
        await both.replace(resource(serverTiming=True), before.etag)
    with pytest.raises(EndpointChanged):
        await both.delete(KEY, before.etag)
    after = await both.read(KEY)
    assert after is not None
    assert after.etag != before.etag
    await both.delete(KEY, after.etag)


async def test_two_writers_at_once(file):
    """Of those who have read the same, one writes and the others are told; what others do elsewhere is not lost."""
    both = writer(file)
    before = await both.read(KEY)
    assert before is not None
    wishes = [resource(hosts=[f"h{number}.example.com"]) for number in range(8)]
    beside = [resource("letters", hosts=[f"l{number}.example.com"]) for number in range(8)]
    results = await asyncio.gather(
        *(both.replace(wish, before.etag) for wish in wishes),
        *(both.replace(wish, None) for wish in beside),
        *(both.create(resource(f"signs-{number}")) for number in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, EndpointChanged) for result in results) == 7
    assert sum(isinstance(result, BaseException) for result in results) == 7
    after = {stored.key[1]: stored.resource for stored in await both.all()}
    assert after["digits"] in wishes
    assert after["letters"] in beside
    assert len(after) == 10


async def test_an_editor_that_saves_in_between_loses_nothing(file, monkeypatch):
    """Right before the rename: the change is made again on what the editor has saved."""
    both = writer(file)
    await both.all()
    sync, saves = os.fsync, [BOTH.replace("room 12", "room 13"), BOTH.replace("room 12", "room 14")]

    def save(descriptor: int) -> None:
        sync(descriptor)
        if saves:
            file.write_text(saves.pop(0))

    monkeypatch.setattr(os, "fsync", save)
    await both.replace(resource("letters", serverTiming=True), None)
    assert file.read_text() == BOTH.replace("room 12", "room 14") + "  serverTiming: true\n"
    before = await both.read(KEY)
    assert before is not None
    saves.append(file.read_text().replace("80", "70", 1))
    with pytest.raises(EndpointChanged):
        await both.replace(resource(serverTiming=True), before.etag)
    assert "70" in file.read_text()


async def test_one_change_at_a_time(file, monkeypatch):
    """Also if the first caller does not wait for its end."""
    both = writer(file)
    sync, writing, second = os.fsync, threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        if writing.is_set():
            second.set()
        writing.set()
        assert not second.wait(0.1)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    first = asyncio.get_running_loop().create_task(both.replace(resource(serverTiming=True), None))
    await asyncio.to_thread(writing.wait)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    monkeypatch.setattr(os, "fsync", lambda descriptor: second.set() or sync(descriptor))
    await both.replace(resource("letters", serverTiming=True), None)
    assert file.read_text().count("serverTiming: true") == 2


async def test_a_file_that_is_cut_off_in_between(file, monkeypatch):
    both = writer(file)

    def cut(one: object, other: object) -> bool:
        file.write_text(DIGITS)
        return False

    monkeypatch.setattr(file_writer, "same", cut)
    with pytest.raises(EndpointUnknown):
        await both.replace(resource("letters"), None)
    assert file.read_text() == DIGITS


async def test_a_file_that_is_saved_all_the_time(file, monkeypatch):
    sync = os.fsync

    def save(descriptor: int) -> None:
        sync(descriptor)
        file.write_text(BOTH)

    monkeypatch.setattr(os, "fsync", save)
    with pytest.raises(StoreFailed, match="saved by somebody else all the time"):
        await writer(file).replace(resource(serverTiming=True), None)
    assert file.read_text() == BOTH


async def test_whoever_follows_has_it_when_the_change_returns(folder):
    keys = KeyFiles(folder.parent / "state")
    store = FileStore(folder, keys)
    both = FileWriter(folder, store, keys)
    await store.load()
    given: list[dict[str, int]] = []
    first = asyncio.Event()

    async def follow() -> None:
        async for configuration in store.changes():
            given.append({name: len(each.spec.hosts) for (_, name), each in configuration.catalogue.endpoints.items()})
            first.set()

    task = asyncio.get_running_loop().create_task(follow())
    (folder / "signs.yaml").write_text(DIGITS.replace("digits", "signs"))
    await first.wait()
    given.clear()
    await both.create(resource("marks"))
    assert given == [{"digits": 0, "letters": 0, "marks": 0, "signs": 0}]
    await both.replace(resource("marks", hosts=["a.example.com"]), None)
    assert given[1:] == [{"digits": 0, "letters": 0, "marks": 1, "signs": 0}]
    await both.delete(("default", "marks"), None)
    assert given[2:] == [{"digits": 0, "letters": 0, "signs": 0}]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_file_that_is_gone_is_not_made_anew(file):
    """It may be on its way: what is in force of it stays, and nobody's file is written over."""
    keys = KeyFiles(file.parent / "state")
    store = FileStore(file, keys)
    await store.load()
    both = FileWriter(file, store, keys)
    file.unlink()
    assert [stored.key for stored in await both.all()] == [KEY, OTHER]
    with pytest.raises(ConfigurationRefused, match=r"all\.yaml: cannot be read: No such file"):
        await both.create(resource("signs"))
    assert not file.exists()


async def test_a_directory_that_cannot_be_read(folder, monkeypatch):
    def fails(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", fails)
    with pytest.raises(StoreFailed, match=r"Permission denied: '.*endpoints'; let maitre read it"):
        await writer(folder).all()


WRITES_ON_AND_ON = """
import asyncio, sys
from pathlib import Path
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles

async def main(path):
    keys = KeyFiles(path.parent / "state")
    writer = FileWriter(path, FileStore(path, keys), keys)
    stored = await writer.read(("default", "digits"))
    print("begins", flush=True)
    number = 0
    while True:
        number += 1
        hosts = [f"h{index}.example.com" for index in range(number % 90)]
        await writer.replace({**stored.resource, "spec": {**stored.resource["spec"], "hosts": hosts}}, None)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_router_that_is_killed_while_it_writes(file):
    moments = random.Random(7)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITES_ON_AND_ON, file], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begins\n"
            with suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.1))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        parsed = parse(file.read_text(), "all.yaml")
        assert parsed.problems == ()
        assert [endpoint.name for endpoint in parsed.endpoints] == ["digits", "letters"]
        assert file.read_text().endswith("---\n" + LETTERS)
        assert [path.name for path in file.parent.iterdir() if not path.name.startswith(".")] == ["all.yaml"]


VERSIONS = st.lists(st.sampled_from(["blue", "green", "teal", "red"]), min_size=1, max_size=4, unique=True)


@st.composite
def specs(draw: Callable[..., Any]) -> dict[str, Any]:
    """That of an endpoint by the rules, with this or that key."""
    versions = []
    for name in draw(VERSIONS):
        version: dict[str, Any] = {"name": name, "target": {"urls": [f"http://127.0.0.1:{draw(st.integers(1, 9))}"]}}
        if draw(st.booleans()):
            version["trafficPercentile"] = draw(st.integers(0, 25))
        if draw(st.booleans()):
            version = {"target": {"command": ["python", draw(st.text("a '#:\"{", max_size=5)), "{port}"]}, "name": name}
            version["autoscale"] = {"maxReplicas": draw(st.integers(1, 9)), "minReplicas": 0}
        versions.append(version)
    spec: dict[str, Any] = {"versions": versions}
    if draw(st.booleans()):
        spec["auth"] = {"mode": draw(st.sampled_from(["none", "key", "token"]))}
    if draw(st.booleans()):
        spec["cors"] = {"allowOrigins": ["*"]}
    return spec


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=st.lists(st.tuples(st.sampled_from(["digits", "letters"]), specs()), min_size=1, max_size=4))
def test_any_changes_one_after_the_other(file, wishes):
    """What was asked is what is there, and the other document is the same text."""

    async def change() -> None:
        both = writer(file)
        file.write_text(BOTH)
        for name, spec in wishes:
            before = file.read_text().split("---\n")
            wanted = {**resource(name), "spec": spec}
            stored = await both.replace(wanted, None)
            assert stored.resource == wanted
            after = file.read_text().split("---\n")
            other = 1 if name == "digits" else 0
            assert after[other] == before[other]
            assert after[1 - other].startswith("# the")

    asyncio.run(change())
