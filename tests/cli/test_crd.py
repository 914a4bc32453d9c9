"""`maitre crd`, and the file in deploy/ that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from router.cli.crd import crd
from router.model.crd import crd as definition

DEPLOYED = Path(__file__).parents[2] / "deploy" / "base" / "crd.yaml"


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(crd)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0
    return result.stdout


def test_the_deployed_file_is_what_the_schema_says() -> None:
    assert DEPLOYED.read_text() == run(), "the schema has changed: run `make crd`"


def test_every_format_is_the_same_definition() -> None:
    yaml = YAML(typ="safe")
    assert yaml.load(run()) == yaml.load(run("-o", "yaml")) == json.loads(run("-o", "json")) == definition()
