"""If-Match and If-None-Match (RFC 9110, section 13.1): whether somebody may change what there is.

Pure. Compared strongly, so a weak tag never matches, but for If-None-Match, where the specification has it otherwise.
An entity tag goes out in quotes (`quoted`) and comes back so. Called by `call` and by `editing`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from router.admin.errors import BAD_REQUEST, RequestRefused
from router.errors import EndpointChanged

_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"')
_BETWEEN: Final = re.compile(r"[ \t]*(,[ \t]*)+")


def quoted(etag: str) -> str:
    return f'"{etag}"'


@dataclass(frozen=True, slots=True)
class Tags:
    """A list of entity tags, or `*`."""

    any: bool
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, header: str, lines: Sequence[str]) -> Tags | None:
        """None where there is no such header. Raises RequestRefused for what is no list of tags."""
        if not lines:
            return None
        text = ", ".join(lines).strip(" \t,")
        if text == "*":
            return cls(any=True)
        tags: dict[bool, set[str]] = {True: set(), False: set()}
        at = 0
        while at < len(text):
            found = _TAG.match(text, at)
            if found is None:
                break
            tags[found["weak"] is not None].add(found["tag"])
            between = _BETWEEN.match(text, found.end())
            at = found.end() if between is None else between.end()
            if between is None:
                break
        if at != len(text) or not text:
            message = f'{header} is a list of entity tags in quotes, as the header etag has them ("..."), or *'
            raise RequestRefused(BAD_REQUEST, message)
        return cls(any=False, strong=frozenset(tags[False]), weak=frozenset(tags[True]))


@dataclass(frozen=True, slots=True)
class Preconditions:
    match: Tags | None = None
    none_match: Tags | None = None

    @property
    def create_only(self) -> bool:
        """If-None-Match: *."""
        return self.none_match is not None and self.none_match.any

    @property
    def bind_to_etag(self) -> bool:
        """Whether a change is for one state of the endpoint, and not for whatever it has become meanwhile."""
        return self.match is not None

    def check(self, etag: str | None) -> None:
        """`etag`: what it has now, None where it is not there. Raises EndpointChanged."""
        if self.match is not None and (etag is None or not (self.match.any or etag in self.match.strong)):
            raise EndpointChanged(
                "the endpoint is there no more"
                if etag is None
                else "the endpoint has changed since it was read; "
                "read it again, and send the change with its new etag in If-Match"
            )
        none = self.none_match
        if none is not None and etag is not None and (none.any or etag in none.strong | none.weak):
            raise EndpointChanged("the endpoint is there, and If-None-Match says that it must not be")
