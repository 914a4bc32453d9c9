"""`maitre check`: what it prints and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from router.cli.check import check

GOOD = """\
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {name: digits}
spec:
  versions:
    - {name: blue, target: {urls: ["http://127.0.0.1:5001"]}}
    - {name: green, target: {urls: ["http://127.0.0.1:5002"]}}
"""
BAD = GOOD.replace("blue,", "blue, trafficPercentile: 120, isDefalt: true,")


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("digits.yaml").write_text(GOOD)
    return Path("digits.yaml")


def test_a_right_file_exits_0(file: Path) -> None:
    result = run(file)
    assert (result.exit_code, result.stdout) == (0, "digits.yaml: ok, 1 endpoint, 2 versions\n")


def test_a_wrong_file_exits_1_with_a_line_for_each_problem(file: Path) -> None:
    file.write_text(BAD)
    result = run(file)
    assert result.exit_code == 1
    assert result.stdout == (
        "digits.yaml:6: spec.versions[0](blue).trafficPercentile: 120 is not allowed: a number from 0 to 100\n"
        "digits.yaml:6: spec.versions[0](blue).isDefalt: unknown key 'isDefalt'; did you mean 'isDefault'?\n"
        "digits.yaml: 2 problems\n"
    )


def test_a_directory(file: Path) -> None:
    Path("letters.yaml").write_text(GOOD.replace("digits", "letters"))
    Path("keys.yaml").write_text("primaryKey: a\nsecondaryKey: b\n")
    assert run(".").stdout == ".: ok, 2 endpoints, 4 versions\n"
    file.write_text(BAD)
    result = run(".")
    assert result.exit_code == 1
    assert result.stdout.endswith("\n.: 2 problems in 1 of 2 files\n")


def test_a_missing_file_is_refused(file: Path) -> None:
    result = run("missing.yaml")
    assert result.exit_code == 1
    assert result.stdout == "missing.yaml: cannot be read: No such file or directory\nmissing.yaml: 1 problem\n"


def test_for_programs(file: Path) -> None:
    file.write_text(GOOD.replace("blue,", "blue, trafficPercentile: 120,"))
    in_json, in_yaml = run(file, "-o", "json"), run(file, "-o", "yaml")
    assert in_json.exit_code == in_yaml.exit_code == 1
    assert json.loads(in_json.stdout) == YAML(typ="safe").load(in_yaml.stdout)
    assert json.loads(in_json.stdout) == {
        "source": "digits.yaml",
        "ok": False,
        "files": 1,
        "endpoints": 0,
        "versions": 0,
        "problems": [
            {
                "source": "digits.yaml",
                "line": 6,
                "key": "spec.versions[0](blue).trafficPercentile",
                "value": "120",
                "message": "120 is not allowed: a number from 0 to 100",
            }
        ],
    }


@pytest.mark.parametrize("arguments", [[], ["a", "-o", "toml"], ["a", "b"], ["--no-such"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
