from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from router.cli.main import app
from router.model.catalogue import read
from router.model.rules import shares

ENDPOINT = Path(__file__).parents[3] / "examples" / "digits" / "endpoint.yaml"


def test_the_configuration_is_right() -> None:
    result = CliRunner().invoke(app, ["check", str(ENDPOINT)])
    assert result.exit_code == 0, result.output


def test_it_says_what_the_demo_shows() -> None:
    (endpoint,) = read(ENDPOINT).catalogue.endpoints.values()
    assert endpoint.name == "digits"
    assert shares(endpoint.spec) == {"blue": 80, "green": 20}
    blue, green = endpoint.spec.versions
    assert (blue.type, blue.is_default) == ("control", True)
    assert (green.type, green.is_default) == ("treatment", False)
    for version in (blue, green):
        assert version.autoscale.min_replicas == 1 < version.autoscale.max_replicas
        assert version.target.command is not None
        assert "{port}" in version.target.command
        assert f"../../.demo/models/{version.name}.pickle" in version.target.command
