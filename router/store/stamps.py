"""What tells whether a file has to be read again. Called by the stores, off the event loop."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int]
"""Inode, time of change and size: another content has another stamp, also where a link was pointed elsewhere, a file
was renamed into place, or its time of modification was set back."""


def stamp(file: Path) -> Stamp | None:
    """None when the file cannot be looked at."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size
