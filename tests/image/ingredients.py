"""What the image is built from where no registry of images can be reached: a base, and the packages.

The base is Debian's own, made on the spot. The packages are fetched by the host's pip, as it is configured, and shown
to the build as the only place that pip may look in.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "bookworm"
PYTHON = "3.11"
"""Of that suite."""
BUILD_PACKAGES = "gcc libc6-dev python3-dev python3-venv"
WHEELHOUSE = "/wheelhouse"


def make_base(tar: Path) -> None:
    """Set up like the official slim images: no documentation, no translations, no waiting for the disk."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    options += ["--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"']
    _run("mmdebstrap", "--quiet", "--variant=apt", "--include=python3", *options, SUITE, str(tar))


def fill_wheelhouse(directory: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["demo"], "setuptools", "mypy"]
    into = ["--dest", str(directory), "--only-binary", ":all:", "--python-version", PYTHON]
    _run(sys.executable, "-m", "pip", "download", *into, "--constraint", str(ROOT / "constraints.txt"), *wanted)


def pip_configuration() -> str:
    """For the build: only what is in the wheelhouse."""
    return f"[global]\nno-index = true\nfind-links = {WHEELHOUSE}\n"


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]} failed\n{done.stdout}\n{done.stderr}"
