"""Disks that are full, and files and directories that may not be written: the message says which and what to do, and
the user's files are as they were. Real ones: a small disk in a mount namespace, and a process without root's powers.
"""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from router.errors import StoreFailed
from router.store import whole_files
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles, KeyPair

ENDPOINT = """\
# the digits team, room 12
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {name: digits}
spec:
  auth: {keysFile: keys.yaml}
  versions:
    - name: blue
      target: {urls: ["http://127.0.0.1:5001"]}
"""
MINE = "# rotate in May\nprimaryKey: primary-key-0000\nsecondaryKey: secondary-key-0000\n"
KEY = ("default", "digits")
PAIR = KeyPair("primary-key-0000", "secondary-key-0000")

CHANGES = """
import asyncio, sys
from pathlib import Path
from router.errors import StoreFailed
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles, KeyPair
KEY = ("default", "digits")
folder = Path(sys.argv[1])

def files():
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != "filler"}

async def main():
    keys = KeyFiles(folder / "state")
    writer = FileWriter(folder, FileStore(folder, keys), keys)
    stored = await writer.read(KEY)
    more = {**stored.resource, "spec": {**stored.resource["spec"], "serverTiming": True}}
    beside = {**stored.resource, "metadata": {"name": "letters"}}
    pair = await writer.keys(KEY)
    changes = {
        "replace": lambda: writer.replace(more, stored.etag),
        "create": lambda: writer.create(beside),
        "keys": lambda: writer.put_keys(KEY, KeyPair("planted-key-0123", pair.primary), pair),
    }
    if "delete" in sys.argv:
        changes["delete"] = lambda: writer.delete(KEY, None)
    for name, change in changes.items():
        before = files()
        try:
            await change()
            print(name, "done")
        except StoreFailed as error:
            print(name, error if files() == before else "has changed something and then failed")

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints"
    path.mkdir()
    (path / "digits.yaml").write_text(ENDPOINT)
    (path / "keys.yaml").write_text(MINE)
    return path


def said(command: list[str], *arguments: object) -> dict[str, str]:
    """What became of each change."""
    full = [*command, sys.executable, "-c", CHANGES, *map(str, arguments)]
    result = subprocess.run(full, capture_output=True, text=True, check=True, timeout=60)
    assert "planted" not in result.stdout + result.stderr
    assert "-key-0000" not in result.stdout + result.stderr
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())


def on_a_disk(folder: Path, before: str) -> list[str]:
    """A command that sees a disk of its own, of 64 KiB, at `folder`; what was there has been copied to it."""
    start = ["unshare", "-rm", "sh", "-ec"]
    if shutil.which("unshare") is None or subprocess.run([*start, "mount -t tmpfs none /mnt"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk of his own")
    script = f'mount -t tmpfs -o size=64k none "$0"; cp -p {folder}.copy/* "$0"; {before}; exec "$@"'
    folder.rename(f"{folder}.copy")
    folder.mkdir()
    return [*start, script, str(folder)]


def without_powers() -> list[str]:
    """A command that is held to the permissions of files."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]


def test_a_full_disk(folder):
    """Another program has filled it to the last byte."""
    results = said(on_a_disk(folder, 'cat /dev/zero 2>/dev/null > "$0/filler" || true'), folder)
    advice = "No space left on device; make room on that disk and try again"
    assert results == {
        "replace": f"{folder}/digits.yaml cannot be written: {advice}",
        "create": f"{folder}/letters.yaml cannot be written: {advice}",
        "keys": f"{folder}/keys.yaml cannot be written: {advice}",
    }


def test_a_disk_with_room(folder):
    """Of the same size: it is the filler that stands in the way above."""
    results = said(on_a_disk(folder, "true"), folder, "delete")
    assert results == dict.fromkeys(["replace", "create", "keys", "delete"], "done")


def test_a_disk_that_is_mounted_read_only(folder):
    results = said(on_a_disk(folder, 'mount -o remount,ro "$0"'), folder, "delete")
    why = "Read-only file system; it is mounted read-only (a ConfigMap?): change it where it comes from"
    assert results == {
        "replace": f"{folder}/digits.yaml cannot be written: {why}",
        "create": f"{folder}/letters.yaml cannot be written: {why}",
        "keys": f"{folder}/keys.yaml cannot be written: {why}",
        "delete": f"{folder}/digits.yaml cannot be removed: {why}",
    }


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        (".", {"replace": "written", "create": "written", "keys": "written", "delete": "removed"}),
        ("digits.yaml", {"replace": "written", "delete": "removed"}),
        ("keys.yaml", {"keys": "written"}),
    ],
)
def test_what_may_not_be_written_stays(folder, what, refused):
    """A file, too, that could be replaced since its directory may be written."""
    (folder / what).chmod(0o555 if what == "." else 0o444)
    results = said(without_powers(), folder, "delete")
    (folder / what).chmod(0o755)
    files = {"replace": "digits", "create": "letters", "keys": "keys", "delete": "digits"}
    why = "Permission denied; let the user that maitre runs as write to it and to its directory, or change it by hand"
    assert results == {
        name: f"{folder}/{file}.yaml cannot be {refused[name]}: {why}" if name in refused else "done"
        for name, file in files.items()
    }


@pytest.mark.parametrize("what", ["digits.yaml", "keys.yaml", "."])
async def test_what_links_point_at_is_changed_and_links_stay(folder, what):
    """Those of single files, as of a dotfile manager, and of the whole directory."""
    link = folder.parent / "link" if what == "." else folder / what
    real = folder if what == "." else folder.parent / "elsewhere" / what
    if what != ".":
        real.parent.mkdir()
        (folder / what).rename(real)
    link.symlink_to(real)
    real.chmod(0o750 if what == "." else 0o640)
    path = link if what == "." else folder
    keys = KeyFiles(folder.parent / "state")
    writer = FileWriter(path, FileStore(path, keys), keys)
    stored = await writer.read(KEY)
    assert stored is not None
    await writer.replace({**stored.resource, "spec": {**stored.resource["spec"], "serverTiming": True}}, stored.etag)
    await writer.put_keys(KEY, KeyPair("another-key-0000", PAIR.primary), PAIR)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == (0o750 if what == "." else 0o640)
    texts = {path.name: path.read_text() for path in [*folder.iterdir(), *real.parent.glob("*.yaml")]}
    assert texts["digits.yaml"] == ENDPOINT + "  serverTiming: true\n"
    assert texts["keys.yaml"] == MINE.replace("secondary", "primary").replace("primary-key", "another-key", 1).replace(
        "primaryKey: primary", "secondaryKey: primary"
    )
    assert list(folder.parent.rglob("*.maitre-part")) == []


@pytest.mark.parametrize("auth", ["keysFile: keys.yaml", "mode: key"])
async def test_keys_are_for_nobody_else_to_read_while_they_are_written(folder, monkeypatch, auth):
    """And not in what is said when that fails."""
    (folder / "digits.yaml").write_text(ENDPOINT.replace("keysFile: keys.yaml", auth))
    (folder / "keys.yaml").chmod(0o600)
    keys = KeyFiles(folder.parent / "state")
    store = FileStore(folder, keys)
    before = (await store.load()).keys[KEY]
    modes: list[int] = []

    def fails(descriptor: int, content: bytes) -> int:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(whole_files.os, "write", fails)
    writer = FileWriter(folder, store, keys)
    with pytest.raises(StoreFailed, match="make room") as failed:
        await writer.put_keys(KEY, KeyPair("planted-key-0123", before.primary), before)
    monkeypatch.undo()
    assert modes == [0o600]
    error: BaseException | None = failed.value
    while error is not None:
        assert not any(key in f"{error!r} {error}" for key in ("planted", before.primary, before.secondary))
        error = error.__cause__ or error.__context__
    assert await writer.keys(KEY) == before
    assert list(folder.parent.rglob("*.maitre-part")) == []
