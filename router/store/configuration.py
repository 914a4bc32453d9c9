"""What is to be served, as a value: what every store gives, and whoever serves compares with what it serves now.

A store never gives a catalogue that breaks a rule: what is wrong is told in `problems`, and its last good content is in
the catalogue instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from router.model.catalogue import Catalogue
from router.model.problems import Problem
from router.model.spec import EndpointKey
from router.store.keys import KeyPair


@dataclass(frozen=True, slots=True)
class Origin:
    """The resource of an endpoint, also of a refused one: what its status is to say."""

    uid: str
    generation: int
    """The newest that was judged."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with that generation."""
    key_problem: Problem | None = None
    """Why its Secret gives no keys; the last good ones stay in force."""
    accepted: bool = True
    """That generation is in force. Otherwise the last good one is, if there ever was one."""
    conflict: bool = False
    """It is right by itself, but another endpoint has what it wants."""
    keys_missing: bool = False
    """There is no Secret. The leader makes it; a key problem then says why it cannot."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is to be served. `problems` are of the newest files or resources; the catalogue is right all the same."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    keys: Mapping[EndpointKey, KeyPair] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    origins: Mapping[EndpointKey, Origin] = field(default_factory=dict)
    """Of every resource; empty for files."""
