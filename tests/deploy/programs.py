"""Where tests find `helm` and `kubectl`: both are other people's programs, and may be missing."""

import os
import shutil
import sys
from pathlib import Path

FETCHED = Path(sys.prefix) / "helm"
"""Where `make helm` puts them."""


def helm() -> Path | None:
    return _program("helm", FETCHED)


def kubectl() -> Path | None:
    """One of our days."""
    return _program("kubectl", FETCHED)


def old_kubectl() -> Path | None:
    """That of the control plane for tests, with the kustomize of its time."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    return _program("kubectl", Path(folder)) if folder else None


def _program(name: str, folder: Path) -> Path | None:
    found = shutil.which(name, path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}")
    return Path(found) if found else None
