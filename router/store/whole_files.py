"""Files that are replaced whole: whoever reads one finds the old content or the new, at any moment and after any end.

The new content is written to a file of its own in the same directory, brought to the disk, and renamed; the directory
is brought to the disk, too. Mode and owner stay, links are followed. Nobody's edit is overwritten that was saved since
the file was looked at: `seen` is its stamp before it was read (between the last look and the rename is no time that
a program could use to lock anybody out; some microseconds remain). What a killed process left half written begins with
a dot, is no configuration for anybody, and goes with the next change in that directory.

Called by the writers of the store, off the event loop.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from router.errors import StoreFailed
from router.store.stamps import Stamp, stamp

_SUFFIX: Final = ".maitre-part"

_ADVICE: Final = {
    errno.ENOSPC: "make room on that disk and try again",
    errno.EDQUOT: "the user's quota on that disk is used up; make room and try again",
    errno.EROFS: "it is mounted read-only (a ConfigMap?): change it where it comes from",
    errno.EACCES: "let the user that maitre runs as write to its directory, or change it by hand",
    errno.EPERM: "let the user that maitre runs as own the file and write to its directory, or change it by hand",
    errno.EBUSY: "it is a mount by itself and cannot be replaced: mount its directory instead",
}


class Overtaken(Exception):
    """Somebody else has saved the file since it was looked at; it is as they left it."""


def replace_file(path: Path, content: bytes, seen: Stamp | None, *, mode: int | None = None) -> None:
    """`seen`: None makes the file. `mode`: which it is to have; None: which it had, or new files have.

    Raises Overtaken, StoreFailed.
    """
    try:
        _sweep(path.resolve().parent)
        _replace(path, content, seen, mode)
    except OSError as error:
        raise _failed(path, "cannot be written", error) from error


def remove_file(path: Path, seen: Stamp | None) -> None:
    """Of a link, the link. `seen`: None removes whatever is there, if anything is. Raises Overtaken, StoreFailed."""
    try:
        if seen is not None and stamp(path) != seen:
            raise Overtaken
        with suppress(FileNotFoundError):
            path.unlink()
            _sync_directory(path.parent)
    except OSError as error:
        raise _failed(path, "cannot be removed", error) from error


def _replace(path: Path, content: bytes, seen: Stamp | None, mode: int | None) -> None:
    real = path.resolve()
    part = real.with_name(f".{real.name}.{secrets.token_hex(4)}{_SUFFIX}")
    is_open = seen is None and mode is None
    # what has a mode of its own is read by nobody else before it has that
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if is_open else 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed: whoever sweeps leaves it alone
        if not is_open:
            _keep_owner_and_mode(descriptor, None if seen is None else real, mode)
        _write(descriptor, content)
        os.fsync(descriptor)
        if stamp(path) != seen:  # of the path: a link may point elsewhere by now
            raise Overtaken
        part.replace(real)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    _sync_directory(real.parent)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _keep_owner_and_mode(descriptor: int, old: Path | None, mode: int | None) -> None:
    own = os.fstat(descriptor)
    before = own if old is None else old.stat()
    if (before.st_uid, before.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode) if mode is None else mode)


def _sweep(directory: Path) -> None:
    """Removes what processes left that ended while they wrote. Those who still write hold a lock."""
    for part in directory.glob(f".*{_SUFFIX}"):
        with suppress(FileNotFoundError, BlockingIOError, PermissionError):
            descriptor = os.open(part, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, what: str, error: OSError) -> StoreFailed:
    advice = _ADVICE.get(error.errno or 0, "mend that and try again")
    return StoreFailed(f"{path} {what}: {error.strerror or error}; {advice}")
