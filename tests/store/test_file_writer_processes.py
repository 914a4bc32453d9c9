"""Several processes at the same files: killed while they write, or writing all at once."""

import asyncio
import random
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest

from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles

ENDPOINT = """\
# the {name} team, room 12
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {{name: {name}}}   # short
spec:
  auth: {{keysFile: keys.yaml}}
  versions:
    # calm
    - name: blue
      target: {{urls: ["http://127.0.0.1:5001"]}}
"""
MINE = "# rotate in May\nprimaryKey: primary-key-0000\nsecondaryKey: secondary-key-0000\n"
KEY = ("default", "digits")

WRITER = """
import asyncio, os, sys, time
from pathlib import Path
from router.errors import EndpointChanged, EndpointExists
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles, KeyPair
KEY = ("default", "digits")
path = Path(sys.argv[1])
keys = KeyFiles(path.parent / "state")
writer = FileWriter(path, FileStore(path, keys), keys)

def with_hosts(resource, hosts):
    return {**resource, "spec": {**resource["spec"], "hosts": hosts}}
"""

WRITES_ON_AND_ON = """
sync = os.fsync
os.fsync = lambda descriptor: (time.sleep(0.001), sync(descriptor))[1]  # a busy disk: more moments to be killed at

async def main():
    stored = await writer.read(KEY)
    print("begins", flush=True)
    number = 0
    while True:
        number += 1
        hosts = [f"h{index}.example.com" for index in range(number % 50)]
        await writer.replace(with_hosts(stored.resource, hosts), None)
        pair = await writer.keys(KEY)
        await writer.put_keys(KEY, KeyPair(f"primary-key-{number:04}", pair.primary), pair)
        beside = {**with_hosts(stored.resource, []), "metadata": {"name": "signs"}}
        await (writer.delete(("default", "signs"), None) if await writer.read(("default", "signs")) else
               writer.create(beside))

asyncio.run(main())
"""

ADDS_HOSTS = """
me, rounds = sys.argv[2], int(sys.argv[3])
rename = Path.replace

def slow(self, target):  # as on a busy disk: others are in time to look before it, and to write after it
    time.sleep(0.002)
    return rename(self, target)

Path.replace = slow

async def main():
    told = 0
    print("begins", flush=True)
    sys.stdin.readline()
    for number in range(rounds):
        while True:
            stored = await writer.read(KEY)
            hosts = [*stored.resource["spec"].get("hosts", []), f"{me}{number}.example.com"]
            try:
                await writer.replace(with_hosts(stored.resource, hosts), stored.etag)
                break
            except EndpointChanged:
                told += 1
    print(told, flush=True)

asyncio.run(main())
"""

CREATES = """
me, rounds = sys.argv[2], int(sys.argv[3])
rename = Path.replace
Path.replace = lambda self, target: (time.sleep(0.002), rename(self, target))[1]

async def main():
    made = []
    stored = await writer.read(KEY)
    print("begins", flush=True)
    sys.stdin.readline()
    for number in range(rounds):
        resource = {**stored.resource, "metadata": {"name": f"made-{number}"}}
        try:
            await writer.create(with_hosts(resource, [f"{me}{number}.example.com"]))
            made.append(number)
        except EndpointExists:
            pass
    print(*made, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints"
    path.mkdir()
    (path / "digits.yaml").write_text(ENDPOINT.format(name="digits"))
    (path / "letters.yml").write_text(ENDPOINT.format(name="letters"))
    (path / "keys.yaml").write_text(MINE)
    return path


def started(script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER + script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def all_at_once(script: str, path: Path, rounds: int) -> list[str]:
    """What three of them say in the end."""
    processes = [started(script, path, me, rounds) for me in "abc"]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [process.communicate(timeout=60)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def parts(folder: Path) -> list[Path]:
    return list(folder.glob(".*.maitre-part"))


@pytest.mark.long
def test_a_router_that_is_killed_while_it_changes_a_directory(folder):
    """The user's files are whole and theirs; what was left half written is no configuration, and goes."""
    (folder / "digits.yaml").chmod(0o640)
    (folder / "keys.yaml").chmod(0o600)
    beside = (folder / "letters.yml").read_bytes()
    moments = random.Random(8)
    left = 0
    for _ in range(25):
        with started(WRITES_ON_AND_ON, folder) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            with suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.05))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        keys = KeyFiles(folder.parent / "state")
        configuration = asyncio.run(FileStore(folder, keys).load())
        assert configuration.problems == ()
        assert {name for _, name in configuration.catalogue.endpoints} - {"signs"} == {"digits", "letters"}
        assert configuration.keys[KEY].primary.startswith("primary-key-")
        assert (folder / "digits.yaml").read_text().startswith(ENDPOINT.format(name="digits"))
        assert (folder / "keys.yaml").read_text().startswith("# rotate in May\n")
        assert (folder / "letters.yml").read_bytes() == beside
        modes = [stat.S_IMODE((folder / name).stat().st_mode) for name in ("digits.yaml", "keys.yaml")]
        assert modes == [0o640, 0o600]
        left += len(parts(folder))
        assert len(parts(folder)) <= 1, "the next change takes away what was left"
    assert left > 0, "at least one was killed in the middle"
    keys = KeyFiles(folder.parent / "state")
    asyncio.run(FileWriter(folder, FileStore(folder, keys), keys).delete(("default", "letters"), None))
    assert parts(folder) == []


def test_of_several_routers_at_one_file_none_loses_a_change(folder):
    """Each reads, adds a host, and writes if nobody has written since; who is told so reads again."""
    rounds = 20
    told = all_at_once(ADDS_HOSTS, folder / "digits.yaml", rounds)
    assert sum(map(int, told)) > 0, "they were in each other's way"
    keys = KeyFiles(folder.parent / "state")
    configuration = asyncio.run(FileStore(folder / "digits.yaml", keys).load())
    expected = {f"{me}{number}.example.com" for me in "abc" for number in range(rounds)}
    assert set(configuration.catalogue.endpoints[KEY].spec.hosts) == expected
    assert (folder / "digits.yaml").read_text().startswith(ENDPOINT.format(name="digits"))
    assert parts(folder) == []


@pytest.mark.parametrize("place", [".", "digits.yaml"])
def test_of_several_routers_that_create_the_same_endpoint_one_does(folder, place):
    rounds = 10
    made = [list(map(int, line.split())) for line in all_at_once(CREATES, folder / place, rounds)]
    assert sorted(chain.from_iterable(made)) == list(range(rounds))
    keys = KeyFiles(folder.parent / "state")
    configuration = asyncio.run(FileStore(folder / place, keys).load())
    assert configuration.problems == ()
    for me, numbers in zip("abc", made, strict=True):
        for number in numbers:
            endpoint = configuration.catalogue.endpoints["default", f"made-{number}"]
            assert list(endpoint.spec.hosts) == [f"{me}{number}.example.com"]
