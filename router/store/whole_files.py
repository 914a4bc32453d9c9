"""Files that are replaced whole: whoever reads one finds the old content or the new, at any moment and after any end.

The new content is written to a file of its own in the same directory, brought to the disk, and renamed; the directory
is brought to the disk, too. Mode and owner stay, links are followed, and what this process may not write stays.

Nobody's edit is overwritten that was saved since the file was looked at: `seen` is its stamp before it was read. Of
several processes that change files in one directory with this module, one does at a time (a lock on the directory):
between them nothing is lost. Other programs know of no lock; between the last look and the rename some microseconds
remain. What a killed process left half written begins with a dot, is no configuration for anybody, and goes with the
next change in that directory.

Called by the writers of the store, off the event loop.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from router.errors import StoreFailed
from router.store.stamps import Stamp, stamp

PATIENCE_S: Final = 10.0
"""How long another process may have the directory for itself; a change takes milliseconds, on a bad disk seconds."""
LOOK_S: Final = 0.002

_SUFFIX: Final = ".maitre-part"
_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EINVAL}
"""What file systems without locks on directories say, some on a network."""

_ADVICE: Final = {
    errno.ENOSPC: "make room on that disk and try again",
    errno.EDQUOT: "the user's quota on that disk is used up; make room and try again",
    errno.EROFS: "it is mounted read-only (a ConfigMap?): change it where it comes from",
    errno.EACCES: "let the user that maitre runs as write to it and to its directory, or change it by hand",
    errno.EPERM: "let the user that maitre runs as own the file and write to its directory, or change it by hand",
    errno.EBUSY: "it is a mount by itself and cannot be replaced: mount its directory instead",
    errno.EWOULDBLOCK: "another program holds a lock on its directory; try again when that has ended",
}


class Overtaken(Exception):
    """Somebody else has saved the file since it was looked at; it is as they left it."""


def replace_file(path: Path, content: bytes, seen: Stamp | None, *, mode: int | None = None) -> None:
    """`seen`: None makes the file. `mode`: which it is to have; None: which it had, or new files have.

    Raises Overtaken, StoreFailed.
    """
    try:
        real = path.resolve()
        with _turn(real.parent) as directory:
            _sweep(real.parent)
            _replace(path, real, content, seen, mode)
            os.fsync(directory)
    except OSError as error:
        raise _failed(path, "cannot be written", error) from error


def remove_file(path: Path, seen: Stamp | None) -> None:
    """Of a link, the link. `seen`: None removes whatever is there, if anything is. Raises Overtaken, StoreFailed."""
    try:
        with suppress(FileNotFoundError), _turn(path.parent) as directory:
            if seen is not None and stamp(path) != seen:
                raise Overtaken
            if seen is not None:
                _require_writable(path)
            _sweep(path.parent)
            path.unlink()
            os.fsync(directory)
    except OSError as error:
        raise _failed(path, "cannot be removed", error) from error


@contextmanager
def _turn(path: Path) -> Iterator[int]:
    """A directory, opened, in which nobody else changes files by this module meanwhile."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(directory)
        yield directory
    finally:
        os.close(directory)


def _lock(directory: int) -> None:
    """Waits no longer than PATIENCE_S: whoever holds it may have been stopped."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(LOOK_S)
            continue
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return


def _replace(path: Path, real: Path, content: bytes, seen: Stamp | None, mode: int | None) -> None:
    if seen is not None:
        _require_writable(real)
    part = real.with_name(f".{real.name}.{secrets.token_hex(4)}{_SUFFIX}")
    is_open = seen is None and mode is None
    # what has a mode of its own is read by nobody else before it has that
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if is_open else 0o600)
    try:
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


def _require_writable(path: Path) -> None:
    """A file can be replaced and removed by way of its directory; whoever took the right to write it meant neither."""
    with suppress(FileNotFoundError):
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))


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
    """Removes what processes left that ended while they wrote: those who still write have the directory."""
    for part in directory.glob(f".*{_SUFFIX}"):
        with suppress(FileNotFoundError, PermissionError):
            part.unlink()


def _failed(path: Path, what: str, error: OSError) -> StoreFailed:
    advice = _ADVICE.get(error.errno or 0, "mend that and try again")
    return StoreFailed(f"{path} {what}: {error.strerror or error}; {advice}")
