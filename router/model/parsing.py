"""From the text of a file to endpoints or to what is wrong with it, with lines.

A file is taken whole or not at all: one problem anywhere, and it gives no endpoint. JSON needs no parser of its own,
being YAML. Pure; called by `catalogue.py` and by whoever holds text; what is claimed, also by the store of resources.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from router.model import rules
from router.model.documents import Fault, Reader
from router.model.interpreting import Place, interpret, is_keys
from router.model.problems import Problem, dotted
from router.model.spec import ScoringEndpoint

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one file: 10,000 endpoints with every key written out. etcd takes a tenth of that for one resource."""

TOO_LARGE: Final = f"is too large: at most {MAX_BYTES // 1024**2} MiB; several files in a directory may hold more"

NO_ENDPOINTS: Final = "[]"
"""What says, as a document, that a file is to have no endpoints. A file without a document may be half written."""

NO_ENDPOINT: Final = f"there is no endpoint in it; to remove its endpoints, delete the file, or write {NO_ENDPOINTS}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What only one endpoint may have (`rules.Claim`), with the place in the file that says so."""

    what: str
    key: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text holds. With any problem there are no endpoints and no claims."""

    source: str
    endpoints: tuple[ScoringEndpoint, ...] = ()
    claims: tuple[Claim, ...] = ()
    problems: tuple[Problem, ...] = ()
    holds_keys: bool = False
    """It is a keys file: a problem if it was named as configuration, none where it merely lies beside it."""


def parse(text: str, source: str) -> Parsed:
    """Never raises, whatever the text is. `source` is what problems call it."""
    if len(text) > MAX_BYTES:
        return refused(source, TOO_LARGE)
    last_line = max(1, len(text.splitlines()))
    endpoints: list[ScoringEndpoint] = []
    claims: list[Claim] = []
    problems: list[Problem] = []
    only_keys = True
    is_meant = False
    try:
        for document, line in Reader(text).documents():
            if document is None:
                continue
            if document == []:
                is_meant = True
                continue
            interpreted = interpret(document, source, line)
            problems += interpreted.problems
            only_keys = only_keys and is_keys(document)
            if interpreted.endpoint is not None:
                endpoints.append(interpreted.endpoint)
                claims += located_claims(interpreted.endpoint, Place(document, source, line))
    except Fault as fault:
        only_keys = False
        problems.append(Problem(source, min(fault.line, last_line), dotted(fault.path), None, fault.message))
    if not endpoints and not problems and not is_meant:
        return refused(source, NO_ENDPOINT, line=1)
    problems += claimed_twice(source, claims)
    if problems:
        return Parsed(source, problems=tuple(problems), holds_keys=only_keys)
    return Parsed(source, tuple(endpoints), tuple(claims))


def located_claims(endpoint: ScoringEndpoint, place: Place) -> list[Claim]:
    """The claims of an endpoint with the lines of the document that it was made of."""
    return [
        Claim(claim.what, dotted(claim.path, place.document), place.line_of(claim.path))
        for claim in rules.claims(endpoint)
    ]


def refused(source: str, message: str, line: int | None = None) -> Parsed:
    """A file of which nothing can be said but one sentence."""
    return Parsed(source, problems=(Problem(source, line, "", None, message),))


def claimed_twice(source: str, claims: Iterable[Claim]) -> list[Problem]:
    """What two endpoints of one text claim, or two versions of one endpoint."""
    first: dict[str, Claim] = {}
    problems: list[Problem] = []
    for claim in claims:
        holder = first.setdefault(claim.what, claim)
        if holder is not claim:
            where = f"by {holder.key}" if holder.line is None else f"on line {holder.line}"
            message = f"{claim.what} is taken already, {where}"
            problems.append(Problem(source, claim.line, claim.key, None, message))
    return problems
