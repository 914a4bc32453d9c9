"""The objects that deploy/ and its Helm chart come to, as kustomize and Helm themselves render them."""

import io
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
CHART = DEPLOY / "chart" / "maitre"

Object = dict[str, Any]
Key = tuple[str, str | None, str]
"""Kind, namespace and name."""


def read(text: str) -> list[Object]:
    """The documents of a YAML stream, with scalars as Kubernetes understands them, which is YAML 1.1."""
    yaml = YAML(typ="safe")
    yaml.version = (1, 1)
    return [document for document in yaml.load_all(io.StringIO(text)) if document is not None]


def by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    """Each object once."""
    found: dict[Key, Object] = {}
    for each in objects:
        key = (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        assert key not in found, f"twice: {key}"
        found[key] = each
    return found


def kustomize(kubectl: Path, folder: Path) -> list[Object]:
    return read(_output(kubectl, "kustomize", folder))


def helm(program: Path, *arguments: str) -> list[Object]:
    """Of a release called maitre in maitre-system."""
    release = ("maitre", CHART, "--namespace", "maitre-system", "--include-crds")
    return read(_output(program, "template", *release, *arguments))


def router(objects: Iterable[Object]) -> Object:
    """The router's container among the objects."""
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


def _output(*command: object) -> str:
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{command}: {run.stderr}"
    return run.stdout
