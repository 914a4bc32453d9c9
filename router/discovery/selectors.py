"""Label selectors, as `scale.status.selector` and the API spell them: parsed once, matched often. Pure.

    app=web, tier!=test, zone in (a, b), track notin (canary), gpu, !legacy, size>3, size<9        (`==` is `=`)

All requirements must hold. `!=` and `notin` hold, too, where the label is missing; `>` and `<` compare whole numbers.
Grammar and meaning are those of https://github.com/kubernetes/apimachinery/blob/master/pkg/labels/selector.go, the
limits on keys and values those of its pkg/util/validation/validation.go. Used by `pods`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from router.errors import MaitreError

Label = tuple[str, str]
"""A key and its value."""

TOKEN: Final = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|$)")
NAME: Final = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
PREFIX: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NUMBER: Final = re.compile(r"[0-9]+")  # a label value has no sign
PUNCTUATION: Final = frozenset(["==", "!=", "=", "!", "(", ")", ",", "<", ">"])
END: Final = ""


class SelectorRefused(MaitreError):
    """It is no label selector; the message says what stands where, and what may stand there."""


class Operator(Enum):
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    MISSING = "!"
    GREATER = ">"
    LESS = "<"


OPERATORS: Final = {
    "=": Operator.IN,
    "==": Operator.IN,
    "!=": Operator.NOT_IN,
    "in": Operator.IN,
    "notin": Operator.NOT_IN,
    ">": Operator.GREATER,
    "<": Operator.LESS,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one label must be. `=` is `in` with one value, `!=` is `notin` with one."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.MISSING:
                return value is None
            case _:
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        """A value that is no number is neither greater nor less."""
        if not _is_number(value):
            return False
        (bound,) = map(int, self.values)
        return int(value) > bound if self.operator is Operator.GREATER else int(value) < bound


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold; without any, everything matches."""

    requirements: tuple[Requirement, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Raises SelectorRefused."""
        return cls(tuple(_Parser(text).requirements()))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.holds(labels) for requirement in self.requirements)

    def equalities(self) -> Iterator[Label]:
        """Labels that all must have which match: something to look them up by."""
        for requirement in self.requirements:
            if requirement.operator is Operator.IN and len(requirement.values) == 1:
                (value,) = requirement.values
                yield requirement.key, value


class _Parser:
    """One text, token by token; `self._next` is the one to be read, "" at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = (found[1] for found in TOKEN.finditer(text))
        self._next = next(self._tokens)

    def requirements(self) -> Iterator[Requirement]:
        while self._next != END:
            yield self._requirement()
            if self._next == END:
                return
            self._expect(",")
            if self._next == END:
                raise self._refused("a label key")

    def _requirement(self) -> Requirement:
        if self._next == "!":
            self._take()
            return Requirement(self._key(), Operator.MISSING)
        key = self._key()
        if self._next in (",", END):
            return Requirement(key, Operator.EXISTS)
        operator = OPERATORS.get(self._next)
        if operator is None:
            raise self._refused("',', '=', '==', '!=', 'in', 'notin', '<', '>' or the end")
        many = self._take() in ("in", "notin")
        values = frozenset(self._values() if many else [self._value()])
        if operator in (Operator.GREATER, Operator.LESS) and not all(map(_is_number, values)):
            raise SelectorRefused(f"{self._text!r}: '<' and '>' take a whole number")
        return Requirement(key, operator, values)

    def _values(self) -> Iterator[str]:
        """`()` is refused; `(,a)` and `(a,)` have the empty value in them."""
        self._expect("(")
        if self._next == ")":
            raise self._refused("a value")
        yield self._value()
        while self._next == ",":
            self._take()
            yield self._value()
        self._expect(")", "',' or ')'")

    def _key(self) -> str:
        if self._next == END or self._next in PUNCTUATION:
            raise self._refused("a label key")
        key = self._take()
        prefix, slash, name = key.rpartition("/")
        if not NAME.fullmatch(name) or (slash and not PREFIX.fullmatch(prefix)):
            raise SelectorRefused(
                f"{self._text!r}: {key!r} is no label key ([prefix/]name, its name 63 characters at most)"
            )
        return key

    def _value(self) -> str:
        """The empty one where there is none."""
        if self._next in (",", ")", END):
            return ""
        if self._next in PUNCTUATION:
            raise self._refused("a value")
        value = self._take()
        if not NAME.fullmatch(value):
            raise SelectorRefused(
                f"{self._text!r}: {value!r} is no label value (letters, digits, - _ . inside, 63 characters at most)"
            )
        return value

    def _take(self) -> str:
        taken, self._next = self._next, next(self._tokens, END)
        return taken

    def _expect(self, token: str, wanted: str = "") -> None:
        if self._next != token:
            raise self._refused(wanted or repr(token))
        self._take()

    def _refused(self, wanted: str) -> SelectorRefused:
        found = repr(self._next) if self._next != END else "the end"
        return SelectorRefused(f"{self._text!r}: found {found} where {wanted} must stand")


def _is_number(value: str) -> bool:
    """What Go's ParseInt takes for 64 bits."""
    return bool(NUMBER.fullmatch(value)) and int(value) < 2**63
