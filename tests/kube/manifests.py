"""Objects as a user writes them: workloads of the test model (`tests/e2e/model.py`)."""

import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import MODEL
from tests.e2e.recording_replicas import MODEL as RECORDING_MODEL

PORT = 5001
IMAGE = "model"


def pod_template(name: str, *options: str, model: Path = MODEL, grace_s: int = 30) -> dict[str, Any]:
    """Pods with the label `app: <name>` that listen at their IP, port 5001, and finish their requests at SIGTERM."""
    command = [sys.executable, "-I", "-S", str(model), "--host", "$(POD_IP)", "--port", str(PORT)]
    container = {
        "name": "model",
        "image": IMAGE,
        "command": command,
        "args": ["--finish", *options],
        "env": [
            _from_field("POD_IP", "status.podIP"),
            _from_field("MAITRE_REPLICA", "metadata.name"),
            {"name": "MAITRE_VERSION", "value": name},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": grace_s}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def workload(
    name: str,
    *options: str,
    replicas: int = 1,
    kind: str = "Deployment",
    api_version: str = "apps/v1",
    model: Path = MODEL,
    grace_s: int = 30,
) -> dict[str, Any]:
    """Anything with `spec.replicas`, `spec.selector` and `spec.template`; `options` go to the model."""
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": pod_template(name, *options, model=model, grace_s=grace_s),
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def recording_workload(name: str, *, slots: int, ms: int, replicas: int = 1) -> dict[str, Any]:
    """A Deployment of `tests/e2e/recording_model.py`."""
    made = workload(name, "--slots", str(slots), "--ms", str(ms), replicas=replicas, model=RECORDING_MODEL)
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["args"].remove("--finish")
    container["readinessProbe"]["httpGet"]["path"] = "/ready"
    return made


def _from_field(variable: str, path: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": path}}}
