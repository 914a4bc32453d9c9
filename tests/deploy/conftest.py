"""Helm and kustomize for the tests of deploy/; what is not there skips the test that needs it."""

from pathlib import Path

import pytest

from tests.deploy import programs


@pytest.fixture(scope="session")
def helm() -> Path:
    return _there(programs.helm(), "there is no helm (`make helm` fetches one)")


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return _there(programs.kubectl(), "there is no kubectl (`make helm` fetches one)")


@pytest.fixture(scope="session")
def old_kubectl() -> Path:
    return _there(programs.old_kubectl(), "KUBEBUILDER_ASSETS is not set (a folder with kube-apiserver, etcd, kubectl)")


def _there(program: Path | None, otherwise: str) -> Path:
    if program is None:
        pytest.skip(otherwise)
    return program
