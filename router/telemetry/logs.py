"""Where log records of the whole process go: one handler, logfmt lines on standard error.

Called once by `serve`, before anything else, and again when the level changes. Libraries keep no handler of their own;
those that report every request at INFO are heard from WARNING on, whatever our level.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from router.telemetry.logfmt import LogfmtFormatter

LEVELS: Final = ("debug", "info", "warning", "error")
"""What `--log-level` may be."""

AUDIT: Final = "maitre.audit"
"""Who changed what is told from INFO on, whatever our level."""

_LIBRARIES_WITH_HANDLERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_QUIET: Final = (
    *_LIBRARIES_WITH_HANDLERS,
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "asyncio",
    "watchfiles",
    "lightkube",
)


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send records of `level` (one of LEVELS) and above, and all of the audit, to `stream` (standard error), and
    nowhere else."""
    if level not in LEVELS:
        raise ValueError(f"log level: {level!r} is none of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LIBRARIES_WITH_HANDLERS:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger(AUDIT).setLevel(min(logging.INFO, root.level))
    logging.captureWarnings(capture=True)
