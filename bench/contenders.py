"""Who is measured: maitre from one working tree or several, and those of its peers that are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import ourselves
from bench.peers import envoy, haproxy, nginx
from bench.work import Replicas

MAITRE: Final = "maitre"
BASE: Final = "maitre, base"
NGINX: Final = "nginx"
HAPROXY: Final = "HAProxy"
ENVOY: Final = "Envoy"
TREE: Final = Path(__file__).resolve().parents[1]

Prepare = Callable[[Path, int, Replicas], list[str]]


@dataclass(frozen=True, slots=True)
class Contender:
    """`prepare(directory, port, replicas)` writes what the server reads into `directory` and returns its command."""

    name: str
    version: str
    prepare: Prepare
    tree: Path | None = None
    """The working tree in which maitre is started; None: a peer."""

    @property
    def kind(self) -> str:
        """Its name, without which working tree it is."""
        return self.name if self.tree is None else MAITRE

    @property
    def directory(self) -> str:
        """A name for its files."""
        return re.sub(r"\W+", "-", self.name.lower()).strip("-")


def installed(base: Path | None = None, also: Path | None = None) -> tuple[list[Contender], list[str]]:
    """Those that can run here, and who is missing. `base`, `also`: further working trees of maitre to compare with."""
    found = [from_tree(MAITRE, TREE)]
    if also is not None:
        found.append(from_tree(f"{MAITRE} ({also.resolve().name})", also))
    if base is not None:
        found.append(from_tree(BASE, base))
    peers = _peers()
    found += [Contender(name, _version(program), prepare) for name, program, prepare in peers if program]
    return found, [name for name, program, _ in peers if not program]


def from_tree(name: str, tree: Path) -> Contender:
    return Contender(name, _revision(tree), ourselves.prepare, tree.resolve())


def _peers() -> Sequence[tuple[str, str | None, Prepare]]:
    """Name, program if installed, and how it is prepared."""
    return [
        (NGINX, shutil.which("nginx"), nginx.prepare),
        (HAPROXY, shutil.which("haproxy"), haproxy.prepare),
        (ENVOY, envoy.binary(), envoy.prepare),
    ]


def environment() -> dict[str, str]:
    """Ours, without settings of maitre: they would change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAITRE_")}


def _version(program: str) -> str:
    option = "--version" if Path(program).name == "envoy" else "-v"
    said = subprocess.run([program, option], capture_output=True, text=True, check=False)
    match = re.search(r"\b\d+\.\d+[\w.]*", said.stdout + said.stderr)
    return match[0] if match else "unknown"


def _revision(tree: Path) -> str:
    """The commit of a working tree, marked when it was changed since; where there is none, the directory's name."""
    git = ["git", "-C", str(tree), "describe", "--always", "--dirty", "--exclude=*"]
    said = subprocess.run(git, capture_output=True, text=True, check=False)
    return said.stdout.strip() or tree.name
