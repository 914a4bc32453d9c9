"""The admin API that the pages' examples are run against."""

from collections.abc import Iterator

import pytest

from tests.fakes.admin_api import FakeAdminApi


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAdminApi]:
    with FakeAdminApi() as api:
        monkeypatch.setenv("MAITRE_ADMIN_URL", api.url)
        monkeypatch.setenv("MAITRE_ADMIN_TOKEN", api.token)
        yield api
