"""The command line against the real admin API, in this process; `test_processes.py` runs real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from router.cli.main import app
from tests.fakes.running_admin_api import RunningAdminApi

Run = Callable[..., Result]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[RunningAdminApi]:
    with RunningAdminApi(tmp_path) as api:
        yield api


@pytest.fixture
def run(api: RunningAdminApi, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`maitre ARGUMENTS`, with the address and the token in the environment; `expect` is the exit code."""
    monkeypatch.setenv("MAITRE_ADMIN_URL", api.url)
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN", api.token)

    def invoke(*arguments: str, expect: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        assert result.exit_code == expect, (result.output, result.exception)
        return result

    return invoke
