"""The old content or the new, and nothing in between, whatever happens meanwhile."""

import errno
import fcntl
import os
import random
import resource
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from router.errors import StoreFailed
from router.store import whole_files
from router.store.stamps import stamp
from router.store.whole_files import Overtaken, remove_file, replace_file

WRITES_ON_AND_ON = """
import sys
from pathlib import Path
from router.store.stamps import stamp
from router.store.whole_files import replace_file
path = Path(sys.argv[1])
print("begins", flush=True)
while True:
    for letter in b"abc":
        replace_file(path, bytes([letter]) * 300_000, stamp(path))
"""


def parts(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.endswith(".maitre-part")]


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a" * 300_000)
    moments = random.Random(6)
    left = 0
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", WRITES_ON_AND_ON, path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.03))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1
        left = max(left, len(parts(tmp_path)))
        assert len(parts(tmp_path)) <= 1, "the next change takes away what was left"
    assert left == 1, "at least one was killed in the middle"
    replace_file(path, b"new", stamp(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a.yaml"]


def test_one_process_at_a_time_changes_a_directory(tmp_path, monkeypatch):
    """Whoever waits is told when it takes too long, and has changed nothing."""
    path, part = tmp_path / "a.yaml", tmp_path / ".b.yaml.01234567.maitre-part"
    path.write_text("old")
    part.touch()
    monkeypatch.setattr(whole_files, "PATIENCE_S", 0.01)
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(StoreFailed, match=r"a\.yaml cannot be written: .*another program holds a lock"):
        replace_file(path, b"new", stamp(path))
    with pytest.raises(StoreFailed, match=r"a\.yaml cannot be removed: .*another program holds a lock"):
        remove_file(path, stamp(path))
    assert path.read_text() == "old"
    assert part.exists(), "the holder may be writing it"
    os.close(holder)
    replace_file(path, b"new", stamp(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a.yaml"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuses(number):
        def flock(descriptor, operation):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    refuses(errno.ENOLCK)
    replace_file(tmp_path / "a.yaml", b"a", None)
    refuses(errno.EIO)
    with pytest.raises(StoreFailed, match="Input/output error"):
        replace_file(tmp_path / "a.yaml", b"b", stamp(tmp_path / "a.yaml"))
    assert (tmp_path / "a.yaml").read_bytes() == b"a"


def test_a_file_that_was_saved_meanwhile_stays_as_it_is(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("old")
    seen = stamp(path)
    path.write_text("saved by an editor")
    with pytest.raises(Overtaken):
        replace_file(path, b"new", seen)
    with pytest.raises(Overtaken):
        replace_file(path, b"new", None)
    with pytest.raises(Overtaken):
        remove_file(path, seen)
    assert path.read_text() == "saved by an editor"
    assert parts(tmp_path) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_mode_and_owner_stay(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("old")
    path.chmod(0o640)
    os.chown(path, 1234, 4321)
    replace_file(path, b"new", stamp(path))
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o640, 1234, 4321)
    replace_file(path, b"newer", stamp(path), mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_links_are_followed_and_stay(tmp_path):
    """As a mounted ConfigMap has them: the name is a link through a link to a directory."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "a.yaml").write_text("old")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    replace_file(tmp_path / "a.yaml", b"new", stamp(tmp_path / "a.yaml"))
    assert (tmp_path / "a.yaml").is_symlink()
    assert (tmp_path / "..2026" / "a.yaml").read_text() == "new"


def test_a_link_that_was_pointed_elsewhere_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "old").write_text("old")
    (tmp_path / "other").write_text("other")
    path = tmp_path / "a.yaml"
    path.symlink_to("old")
    seen = stamp(path)
    sync = os.fsync

    def swing(descriptor):
        sync(descriptor)
        path.unlink()
        path.symlink_to("other")

    monkeypatch.setattr(os, "fsync", swing)
    with pytest.raises(Overtaken):
        replace_file(path, b"new", seen)
    assert (tmp_path / "old").read_text() == "old"


def test_a_file_that_cannot_grow_stays_whole(tmp_path):
    """A real fault of the file system: no file may have more than a thousand bytes."""
    path = tmp_path / "a.yaml"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StoreFailed, match=r"a\.yaml cannot be written: File too large"):
            replace_file(path, b"x" * 2000, stamp(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert parts(tmp_path) == []


@pytest.mark.parametrize(
    ("function", "number", "advice"),
    [
        ("write", errno.ENOSPC, "make room"),
        ("fsync", errno.EDQUOT, "make room"),
        ("open", errno.EROFS, "mounted read-only .a ConfigMap"),
        ("open", errno.EACCES, "let the user that maitre runs as write"),
        ("fchown", errno.EPERM, "let the user that maitre runs as own"),
        ("replace", errno.EBUSY, "mount its directory instead"),
    ],
)
def test_faults_say_what_to_do(tmp_path, monkeypatch, function, number, advice):
    path = tmp_path / "a.yaml"
    path.write_text("old")
    if function == "fchown":
        if os.getuid() != 0:
            pytest.skip("only root may give files away")
        os.chown(path, 1234, 4321)

    def fails(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path if function == "replace" else os, function, fails)
    with pytest.raises(StoreFailed, match=advice):
        replace_file(path, b"new", stamp(path))
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert parts(tmp_path) == []


def test_what_is_no_directory_cannot_be_written_to():
    """No fault injected: /proc takes no files."""
    with pytest.raises(StoreFailed, match=r"/proc/a\.yaml cannot be written"):
        replace_file(Path("/proc/a.yaml"), b"new", None)
