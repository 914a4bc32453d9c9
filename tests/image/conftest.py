"""The image, built once per run of the tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import ingredients
from tests.image.podman import Podman

IMAGE = "localhost/maitre"
BASE = "localhost/base"


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    missing = [name for name in ("podman", "runc", "mmdebstrap") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("images are built and run as root here")
    with tempfile.TemporaryDirectory(prefix="maitre-image-") as directory, Podman(Path(directory)) as podman:
        try:
            podman("info")
        except AssertionError as refused:
            pytest.skip(f"podman cannot work here: {refused}")
        yield podman


@pytest.fixture(scope="session")
def image(podman: Podman) -> str:
    with tempfile.TemporaryDirectory(prefix="maitre-image-") as name:
        directory = Path(name)
        ingredients.make_base(directory / "base.tar")
        podman("import", directory / "base.tar", BASE)
        ingredients.fill_wheelhouse(directory / "wheels")
        (directory / "pip.conf").write_text(ingredients.pip_configuration())
        podman(
            *("build", "--isolation", "chroot", "--pull=never", "--tag", IMAGE),
            *("--build-arg", f"BASE={BASE}", "--build-arg", f"BUILD_PACKAGES={ingredients.BUILD_PACKAGES}"),
            *("--build-arg", "VERSION=1.2.3"),
            *("--volume", f"{directory / 'wheels'}:{ingredients.WHEELHOUSE}:ro"),
            *("--volume", f"{directory / 'pip.conf'}:/etc/pip.conf:ro"),
            ingredients.ROOT,
        )
    return IMAGE
