"""From one document, already plain data, to an endpoint or to everything that is wrong with it.

Pure. `parsing.py` calls it for each document of a file, the admin API and the Kubernetes store for what comes as JSON;
only the data of `documents.py` knows lines, all other data gives problems without them. Rules that span several values
are looked at once each value by itself is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from router.model import documents
from router.model.problems import ConfigurationRefused, Path, Problem, dotted, shown, value_at
from router.model.rules import violations
from router.model.spec import API_VERSION, KIND, ScoringEndpoint
from router.model.wording import allowed_at, unknown_key

MAX_PROBLEMS: Final = 50
"""Of one document; who has more has one cause for them all, and wants to see it."""

_KEYS = frozenset({"primaryKey", "secondaryKey"})


@dataclass(frozen=True, slots=True)
class Interpreted:
    """An endpoint that obeys every rule of its own, or the problems, never both."""

    endpoint: ScoringEndpoint | None
    problems: tuple[Problem, ...] = ()


def interpret(document: object, source: str, line: int | None = None) -> Interpreted:
    """Never raises, whatever the document is. `source` is what problems call it, `line` where it begins there."""
    place = Place(document, source, line)
    if (misfit := _no_endpoint(place)) is not None:
        return Interpreted(None, (misfit,))
    try:
        endpoint = ScoringEndpoint.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        return Interpreted(None, _first(place, _field_problems(place, error), error.error_count()))
    broken = [place.problem(violation.path, violation.message) for violation in violations(endpoint)]
    return Interpreted(None, tuple(_by_line(broken))) if broken else Interpreted(endpoint)


def endpoint_from(document: object, source: str) -> ScoringEndpoint:
    """For callers that have one document and nothing to fall back on. Raises ConfigurationRefused."""
    interpreted = interpret(document, source)
    if interpreted.endpoint is None:
        raise ConfigurationRefused(interpreted.problems)
    return interpreted.endpoint


def is_keys(document: object) -> bool:
    """Whether it is what a keysFile holds: credentials, not an endpoint that lacks something."""
    return isinstance(document, Mapping) and "kind" not in document and not _KEYS.isdisjoint(document)


@dataclass(frozen=True, slots=True)
class Place:
    """A document and what it came from: turns paths into problems with line, key and value."""

    document: object
    source: str
    line: int | None = None
    """Of the document's beginning, where the document itself does not know it."""

    def problem(self, path: Path, message: str) -> Problem:
        value = value_at(self.document, path) if path else None
        text = None if value is None else shown(value, path)
        return Problem(self.source, self.line_of(path), dotted(path, self.document), text, message)

    def line_of(self, path: Path, *, of_key: bool = False) -> int | None:
        """Of the value there (or its key); of what should contain it, where there is none."""
        line = getattr(self.document, "line", self.line)
        value: Any = self.document
        for step in path:
            if isinstance(value, documents.Mapping) and step in value:
                line = value.lines[str(step)][0 if of_key else 1]
            elif isinstance(value, documents.Sequence) and isinstance(step, int) and step < len(value):
                line = value.lines[step]
            else:
                return line
            value = value[step]
        return line


def _no_endpoint(place: Place) -> Problem | None:
    """Something else altogether gets one sentence, not one for each of its keys."""
    document = place.document
    if not isinstance(document, Mapping):
        kind = "a list" if isinstance(document, list | tuple) else "a single value"
        return place.problem((), f"{kind} is not allowed: a mapping with the keys apiVersion, kind, metadata, spec")
    if is_keys(document):
        return place.problem((), "holds the keys that an endpoint's keysFile names, and no endpoint")
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if key not in document:
            return place.problem((key,), f"is missing: {expected}")
        if document[key] != expected:
            return place.problem((key,), _not_allowed(place, (key,), expected))
    return None


def _field_problems(place: Place, error: ValidationError) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        path = details["loc"]
        match details["type"]:
            case "default_factory_not_called":
                continue  # follows from another error, which is reported by itself
            case "too_short" if len(details["input"]) >= details["ctx"]["min_length"]:
                continue  # likewise: pydantic counts the entries that are right
            case "extra_forbidden":
                # Without its value: nobody knows what it holds.
                line = place.line_of(path, of_key=True)
                yield Problem(place.source, line, dotted(path, place.document), None, unknown_key(path))
            case "missing":
                yield place.problem(path, f"is missing: {allowed_at(path)}")
            case _:
                yield place.problem(path, _not_allowed(place, path, _allowed(details)))


def _allowed(details: ErrorDetails) -> str:
    """The words of a check of ours, which knows best; else those of the type; pydantic's as the last resort."""
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    return allowed_at(details["loc"]) or details["msg"]


def _not_allowed(place: Place, path: Path, allowed: str) -> str:
    value = value_at(place.document, path)
    text = shown(value, path) or "this value"
    return f"{text} is not allowed: {allowed}"


def _first(place: Place, problems: Iterator[Problem], count: int) -> tuple[Problem, ...]:
    first = _by_line(islice(problems, MAX_PROBLEMS))
    if count > MAX_PROBLEMS:
        first.append(place.problem((), f"this document has {count} problems; these were the first {MAX_PROBLEMS}"))
    return tuple(first)


def _by_line(problems: Iterable[Problem]) -> list[Problem]:
    """In the order in which somebody goes through the file."""
    return sorted(problems, key=lambda problem: problem.line or 0)
