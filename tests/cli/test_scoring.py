"""`maitre keys`, `token`, `invoke`, `logs` and `top`."""

import json
import re
from types import SimpleNamespace

import pytest

from router.cli.commands import COMMANDS, load

URLS = ("--urls", "http://127.0.0.1:5001")
MINE = "a-key-of-mine-of-enough-characters"


@pytest.fixture
def digits(run):
    run("endpoint", "create", "digits", "--version-name", "blue", *URLS)


def page(requests, durations, **gauges):
    """A page of metrics of one version. `durations`: requests within 10 ms, within 100 ms, in all."""
    labels = 'endpoint="digits",version="blue"'
    lines = [f'maitre_requests_total{{{labels},outcome="ok",code="200"}} {requests}']
    bounds = zip(("0.01", "0.1", "+Inf"), durations, strict=True)
    lines += [f'maitre_request_duration_seconds_bucket{{{labels},le="{bound}"}} {count}' for bound, count in bounds]
    lines += [f"maitre_{name}{{{labels}}} {value}" for name, value in gauges.items()]
    return "\n".join(["# TYPE maitre_requests counter", *lines, 'maitre_requests_total{endpoint="",version=""} 7', ""])


def test_keys(run, api, digits, tmp_path):
    assert run("keys", "show", "digits").stdout.splitlines() == [
        "KEY        VALUE",
        f"primary    {api.keys('digits').primary}",
        f"secondary  {api.keys('digits').secondary}",
    ]
    file = tmp_path / "key"
    file.write_text(f"{MINE}\n")
    changed = run(
        *("keys", "regenerate", "digits", "--key", "secondary", "--value-file", str(file), "--yes", "-o", "json")
    )
    assert json.loads(changed.stdout) == {"primaryKey": api.keys("digits").primary, "secondaryKey": MINE}


def options(command):
    yield from (name for parameter in command.params for name in parameter.opts)
    for inner in getattr(command, "commands", {}).values():
        yield from options(inner)


def test_no_credential_can_be_given_in_the_arguments():
    """Any process could read it there; `--key` is which one."""
    said = {name for command in COMMANDS for name in options(load(command))}
    assert {"--admin-token-file", "--value-file"} <= said
    secret = re.compile("token|key|secret|password|credential|value")
    assert {name for name in said if secret.search(name) and not name.endswith("-file")} == {"--key", "--tls-key"}


def test_a_token_stands_alone(run):
    run("endpoint", "create", "digits", "--auth-mode", "token", *URLS)
    assert len(run("token", "digits").stdout.split(".")) == 3
    assert json.loads(run("token", "digits", "-o", "json").stdout)["token_type"] == "Bearer"


def test_an_endpoint_without_keys_says_so(run):
    run("endpoint", "create", "digits", "--auth-mode", "none", *URLS)
    assert "has no keys" in run("keys", "show", "digits", expect=1).stderr


def test_invoke_keeps_the_answer_apart(run, digits, tmp_path):
    file = tmp_path / "rows.json"
    file.write_text('{"data": [1]}')
    result = run("invoke", "digits", "--data", f"@{file}")
    assert result.stdout == '{"data": [1]}\n'
    assert result.stderr.startswith("blue answered in ")
    assert result.stderr.endswith(" ms (queue 0.5, upstream 2)\n")
    assert run("invoke", "digits", "--data", "@-", stdin="[2]").stdout == "[2]\n"
    said = json.loads(run("invoke", "digits", "--data", "[3]", "-o", "json").stdout)
    assert (said["answer"], said["version"], said["serverTiming"]) == ([3], "blue", {"queue": 0.5, "upstream": 2.0})


def test_what_the_router_refuses_exits_1(run, api, digits):
    api.accepted = ["planted-other"]
    refused = run("invoke", "digits", "--data", "[1]", expect=1)
    assert refused.stderr.startswith("maitre: the credential is missing or wrong (request s-1)")


def test_logs(run, digits):
    assert run("logs", "digits", "--tail", "1").stdout == "blue-1 scored\n"
    followed = run("logs", "digits", "--version", "blue", "--follow", "-o", "json").stdout
    assert [json.loads(line)["line"] for line in followed.splitlines()] == ["started", "scored", "later"]
    run("version", "create", "digits", "green", *URLS)
    assert "--version blue|green" in run("logs", "digits", expect=2).stderr


def test_top_shows_what_happened_in_between(run, api, monkeypatch):
    gauges = {"traffic_percentile": 100.0, "replicas_busy": 1.0, "replicas_total": 2.0, "desired_replicas": 3.0}
    gauges |= {"requests_in_flight": 1.0, "requests_queued": 4.0}
    pages = [page(100, (100, 100, 100), **gauges), page(120, (110, 120, 120), **gauges)] * 2
    now = iter(range(100))
    time = SimpleNamespace(
        sleep=lambda _seconds: setattr(api, "metrics", pages.pop(0)), monotonic=lambda: float(next(now))
    )
    monkeypatch.setattr("router.cli.top.time", time)
    api.metrics = pages.pop(0)
    expected = ["digits", "blue", "100%", "20.0", "10", "98.2", "1/2", "3", "1", "4"]
    assert run("top", "--once").stdout.splitlines()[1].split() == expected
    api.metrics = pages.pop(0)
    (version,) = json.loads(run("top", "-o", "json").stdout)["versions"]
    assert (version["rps"], version["p50Ms"], version["busy"], version["total"]) == (20.0, 10.0, 1, 2)
