"""`maitre endpoint` and `maitre version`."""

import json

import pytest
from ruamel.yaml import YAML

BLUE = ("--version-name", "blue", "--urls", "http://127.0.0.1:5001")
GREEN = ("green", "--urls", "http://127.0.0.1:5002")


def shares(run):
    shown = json.loads(run("endpoint", "show", "digits", "-o", "json").stdout)
    return {version["name"]: version["trafficShare"] for version in shown["status"]["versions"]}


def test_the_walk_through(run, api):
    run("endpoint", "create", "digits", *BLUE, "--traffic-percentile", "20")
    assert shares(run) == {"blue": 100}
    run("version", "create", "digits", *GREEN, "--traffic-percentile", "10")
    assert shares(run) == {"blue": 90, "green": 10}
    shown = run("version", "update", "digits", "green", "--traffic-percentile", "40", "--default", "--control")
    assert shares(run) == {"blue": 20, "green": 80}
    assert shown.stdout.splitlines()[3].split() == ["green", "80%", "default,control", "ready", *"11000"]
    run("version", "delete", "digits", "blue", "--yes")
    assert shares(run) == {"green": 100}
    run("endpoint", "delete", "digits", "--yes")
    assert api.names() == []


def test_every_option_of_a_version_arrives(run, api):
    options = (
        *("--command", "python model.py --port '{port}'", "--traffic-percentile", "12.5", "--default", "--control"),
        *("--autoscale-enabled", "--autoscale-min-replicas", "0", "--autoscale-max-replicas", "4"),
        *("--autoscale-target-utilization", "60", "--autoscale-refresh-period-seconds", "2"),
        *("--autoscale-scale-down-window-seconds", "30", "--max-concurrent-requests-per-replica", "2"),
        *("--max-queue-wait-ms", "1", "--max-queue-length", "2", "--scoring-timeout-ms", "3"),
        *("--cold-start-timeout-ms", "4", "--scoring-path", "/predict", "--readiness-path", "/ready"),
        *("--collect-data", "--mirror-percentile", "0"),
    )
    run(
        "endpoint",
        "create",
        "digits",
        "--version-name",
        "blue",
        "--auth-mode",
        "token",
        "--hosts",
        "a.example.com",
        *options,
    )
    spec = api.resource("digits")["spec"]
    assert (spec["auth"], spec["hosts"]) == ({"mode": "token"}, ["a.example.com"])
    assert spec["versions"] == [
        {
            "name": "blue",
            "target": {"command": ["python", "model.py", "--port", "{port}"]},
            "trafficPercentile": 12.5,
            "isDefault": True,
            "type": "control",
            "autoscale": {
                "enabled": True,
                "minReplicas": 0,
                "maxReplicas": 4,
                "targetUtilization": 60,
                "refreshPeriodSeconds": 2.0,
                "scaleDownWindowSeconds": 30.0,
            },
            "maxConcurrentRequestsPerReplica": 2,
            "maxQueueWaitMs": 1,
            "maxQueueLength": 2,
            "scoringTimeoutMs": 3,
            "coldStartTimeoutMs": 4,
            "scoringPath": "/predict",
            "readinessPath": "/ready",
            "collectData": True,
            "mirrorPercentile": 0.0,
        }
    ]


def test_what_is_shown_can_be_given_back(run, tmp_path):
    run("endpoint", "create", "digits", *BLUE)
    file = tmp_path / "digits.yaml"
    file.write_text(run("endpoint", "show", "digits", "-o", "yaml").stdout)
    run("endpoint", "delete", "digits", "--yes")
    run("endpoint", "create", "digits", "-f", str(file))
    said = YAML(typ="safe").load(file.read_text())
    said["spec"]["serverTiming"] = True
    updated = run("endpoint", "update", "digits", "-f", "-", "-o", "json", stdin=json.dumps(said))
    assert json.loads(updated.stdout)["spec"]["serverTiming"] is True


def test_a_list(run):
    for name in ("one", "two", "three"):
        run("endpoint", "create", name, *BLUE)
    assert run("endpoint", "list").stdout.splitlines() == [
        "NAME   NAMESPACE  AUTH  VERSIONS",
        "one    default    key   blue",
        "three  default    key   blue",
        "two    default    key   blue",
    ]
    assert len(json.loads(run("endpoint", "list", "-o", "json").stdout)["items"]) == 3


def test_waiting_is_told_beside_the_result(run, api):
    api.standing.becoming_ready = [0, 1]
    shown = run("endpoint", "create", "digits", *BLUE, "--wait")
    assert shown.stderr == "digits: blue starting (0 of 1 ready)\ndigits: blue 1 of 1 ready\n"


def test_the_default_is_deleted_only_with_a_successor(run):
    run("endpoint", "create", "digits", *BLUE)
    run("version", "create", "digits", *GREEN)
    refused = run("version", "delete", "digits", "blue", "--yes", expect=1)
    assert "name the next default with --new-default" in refused.stderr
    run("version", "delete", "digits", "blue", "--yes", "--new-default", "green")
    assert shares(run) == {"green": 100}


@pytest.mark.parametrize(
    "arguments",
    [
        ("endpoint", "delete", "digits"),
        ("version", "delete", "digits", "blue"),
        ("keys", "regenerate", "digits", "--key", "primary"),
    ],
)
def test_what_cannot_be_taken_back_is_not_done_unasked(run, api, arguments):
    run("endpoint", "create", "digits", *BLUE)
    before = api.etag("digits"), api.keys("digits")
    refused = run(*arguments, expect=2, stdin="y\n")
    assert "say --yes" in refused.stderr
    assert (api.etag("digits"), api.keys("digits")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("endpoint", "create", "digits"),
        ("endpoint", "create", "digits", "--command", "x", "--urls", "http://a:1"),
        ("endpoint", "create", "digits", "--command", "'x"),
        ("endpoint", "create", "digits", "-f", "/nowhere"),
        ("endpoint", "create", "digits", "-f", "/dev/null"),
        ("endpoint", "create", "digits", "--deployment", "digits"),
        ("endpoint", "update", "digits"),
        ("version", "update", "digits", "blue"),
        ("keys", "regenerate", "digits", "--key", "third"),
        ("token", "digits", "--expires-in-seconds", "1"),
        ("endpoint", "list", "--admin-url", "nowhere"),
        ("endpoint", "list", "--admin-token-file", "/nowhere"),
        ("endpoint", "list", "-o", "xml"),
        ("endpoints",),
    ],
)
def test_wrong_usage_exits_2_and_changes_nothing(run, api, arguments):
    assert run(*arguments, expect=2).stderr
    assert all(method == "GET" for method, _ in api.seen)


def test_a_file_of_another_name_is_refused(run, tmp_path):
    file = tmp_path / "digits.yaml"
    file.write_text("metadata: {name: digits}\n")
    assert "has the name digits" in run("endpoint", "create", "other", "-f", str(file), expect=2).stderr
