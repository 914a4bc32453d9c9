"""What came of one case, and where the router and h11 may differ. Used by both judges."""

from __future__ import annotations

import re
from dataclasses import dataclass

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n%04d"
"""What a model says that has nothing else to say."""
REASON = re.compile(rb'"code":"([a-z_]+)","message":"([^"]*)')
"""In the router's own answers."""
LAXER = re.compile(rb"[0-9A-Fa-f][ \t]+;")
"""Where the router accepts what h11 refuses: white space before the semicolon of a chunk extension, which RFC 9112
section 7.1.1 has recipients accept, and which goes no further. A disagreement about bytes with this in them is none."""


class Disagreement(AssertionError):
    """The router and h11 differ, or the router contradicts itself."""


@dataclass(slots=True)
class Verdict:
    forwarded: int = 0
    """Messages that went through, whole."""
    refused: str = ""
    """The reason that was given."""
