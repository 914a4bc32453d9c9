"""`maitre replicas`, through an application of its own."""

import json

import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from router.cli.replicas import replicas

EXAMPLE = ["--rps", "20", "--seconds", "10", "--concurrency", "1", "--utilization", "70"]
ANSWER = {"rps": 20.0, "seconds": 10.0, "concurrency": 1, "utilization": 70, "replicas": 286}


def run(*arguments):
    app = typer.Typer()
    app.command()(replicas)
    return CliRunner().invoke(app, list(arguments))


def test_the_documented_example_prints_the_number_alone():
    result = run(*EXAMPLE)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "286\n", "")


def test_one_request_at_a_time_and_70_percent_unless_told():
    assert run("--rps", "20", "--seconds", "10").stdout == "286\n"


def test_json():
    assert json.loads(run(*EXAMPLE, "-o", "json").stdout) == ANSWER


def test_yaml():
    assert YAML(typ="safe").load(run(*EXAMPLE, "--output", "yaml").stdout) == ANSWER


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--rps", "-1", "a finite number of requests per second, 0 or more"),
        ("--rps", "nan", "a finite number of requests per second, 0 or more"),
        ("--rps", "many", "a finite number of requests per second, 0 or more"),
        ("--seconds", "0", "a finite number of seconds above 0"),
        ("--seconds", "inf", "a finite number of seconds above 0"),
        ("--seconds", "", "a finite number of seconds above 0"),
        ("--concurrency", "0", "a whole number, 1 or more"),
        ("--concurrency", "1.5", "a whole number, 1 or more"),
        ("--utilization", "0", "a whole number from 1 to 100"),
        ("--utilization", "101", "a whole number from 1 to 100"),
        ("--utilization", "70%", "a whole number from 1 to 100"),
    ],
)
def test_nonsense_is_one_sentence_with_option_value_and_range(option, value, allowed):
    arguments = dict(zip(EXAMPLE[::2], EXAMPLE[1::2], strict=True)) | {option: value}
    result = run(*(f"{name}={text}" for name, text in arguments.items()))
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line == f"{option} is {value!r}, but must be {allowed}."


def test_a_load_is_asked_for():
    assert run("--rps", "20").exit_code == 2
