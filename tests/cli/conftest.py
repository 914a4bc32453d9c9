"""The command line against an admin API in memory, in this process; `test_processes.py` runs real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from router.cli.main import app
from tests.fakes.admin_api import FakeAdminApi

Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[FakeAdminApi]:
    with FakeAdminApi() as api:
        yield api


@pytest.fixture
def run(api: FakeAdminApi, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`maitre ARGUMENTS`, with the address and the token in the environment; `expect` is the exit code."""
    monkeypatch.setenv("MAITRE_ADMIN_URL", api.url)
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN", api.token)

    def invoke(*arguments: str, expect: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        assert result.exit_code == expect, (result.output, result.exception)
        return result

    return invoke
