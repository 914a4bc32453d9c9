"""From options and environment to settings; what is wrong is said before anything starts."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from router.cli import serve as module
from router.settings import (
    CoordinationSettings,
    KubernetesSettings,
    RouterPodsSettings,
    Settings,
    TlsSettings,
    WorkloadName,
)


@pytest.fixture
def run(monkeypatch):
    """The command with `_run` out of the way; gives its result and the settings that it would have run with."""
    given: list[Settings] = []
    monkeypatch.setattr(module, "_run", given.append)
    app = typer.Typer(rich_markup_mode=None)
    app.command()(module.serve)

    def run(*arguments: str, **environment: str):
        result = CliRunner().invoke(app, list(arguments), env=environment)
        return result, given[-1] if given else None

    return run


def test_the_defaults_of_the_contract(run):
    _, settings = run("--config", "digits.yaml")
    assert settings == Settings(config=Path("digits.yaml"))
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", 8081)
    assert settings.drain_seconds == 30


def test_options(run):
    _, settings = run(
        "--config", "folder", "--host", "::1", "--port", "0", "--admin-host", "0.0.0.0", "--admin-port", "1",
        "--state-dir", "state", "--log-level", "debug", "--access-log", "-", "--dev-test", "--drain-seconds", "1.5",
        "--trusted-proxies", "10.0.0.0/8", "--trusted-proxies", "::1/128", "--workers", "4",
        "--admin-token-file", "token", "--public-url", "https://score.example/",
    )  # fmt: skip
    assert settings == Settings(
        config=Path("folder"),
        host="::1",
        port=0,
        workers=4,
        admin_host="0.0.0.0",
        admin_port=1,
        admin_token_file=Path("token"),
        public_url="https://score.example",
        state_dir=Path("state"),
        log_level="debug",
        access_log="-",
        dev_test=True,
        drain_seconds=1.5,
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
    )


def test_in_a_cluster(run):
    _, settings = run(
        "--kubernetes", "--namespace", "web", "--namespace", "shop", "--namespace", "web", "--default-namespace", "web",
        POD_NAME="maitre-1", POD_UID="a-uid", POD_NAMESPACE="maitre-system",
    )  # fmt: skip
    assert settings == Settings(
        kubernetes=KubernetesSettings(("web", "shop"), pod="maitre-1", pod_uid="a-uid", own_namespace="maitre-system"),
        default_namespace="web",
    )


def test_a_router_that_no_pod_name_was_given_to_is_called_like_its_machine(run, monkeypatch):
    monkeypatch.setattr(module.socket, "gethostname", lambda: "laptop")
    _, settings = run(MAITRE_KUBERNETES="1", MAITRE_NAMESPACE="web shop")
    assert settings.kubernetes == KubernetesSettings(("web", "shop"), pod="laptop")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "either --config FILE_OR_DIR or --kubernetes"),
        (["--config", "digits.yaml", "--kubernetes"], "either --config FILE_OR_DIR or --kubernetes"),
        (["--config", "digits.yaml", "--namespace", "web"], "--namespace goes with --kubernetes"),
    ],
)
def test_endpoints_come_from_one_place(run, options, words):
    result, settings = run(*options)
    assert result.exit_code == 2
    assert words in result.output
    assert settings is None


@pytest.mark.parametrize("url", ["score.example", "ftp://score.example", "https://", "https://u:p@h", "http://h/?a=b"])
def test_a_public_url_that_nobody_could_reach_is_refused(run, url):
    result, settings = run("--config", "digits.yaml", "--public-url", url)
    assert result.exit_code == 2
    assert "--public-url is http(s)://HOST[:PORT][/PATH]" in " ".join(result.output.split())
    assert settings is None


SHARED = ("--kubernetes", "--coordination-key-file", "key")


def test_the_routers_own_size(run):
    _, settings = run(
        *SHARED, "--routing-time-ms", "1.5",
        "--own-workload", "Deployment/maitre", "--min-router-pods", "2", "--max-router-pods", "6",
    )  # fmt: skip
    assert settings.routing_time_ms == 1.5
    workload = WorkloadName("apps/v1", "Deployment", "maitre")
    assert settings.kubernetes.router_pods == RouterPodsSettings(workload, fewest=2, most=6)


@pytest.mark.parametrize("options", [(), ("--max-router-pods", "0"), ("--own-workload", "Deployment/maitre")], ids=str)
def test_the_number_of_pods_is_left_alone_unless_it_is_said_how_many_there_may_be(run, options):
    _, settings = run("--kubernetes", *options)
    assert settings.kubernetes.router_pods is None


def test_the_routers_own_size_from_the_environment(run):
    _, settings = run(
        *SHARED,
        MAITRE_OWN_WORKLOAD="example.com/v1/Crew/front",
        MAITRE_MAX_ROUTER_PODS="3",
        MAITRE_ROUTING_TIME_MS="5",
    )
    workload = WorkloadName("example.com/v1", "Crew", "front")
    assert settings.kubernetes.router_pods == RouterPodsSettings(workload, fewest=1, most=3)
    assert settings.routing_time_ms == 5.0


@pytest.mark.parametrize(
    "text", ["maitre", "deployment/maitre", "Deployment/", "/maitre", "Deployment/Maitre", "a/b/c/D/e", "apps/D/e"]
)
def test_what_is_no_workload(text):
    with pytest.raises(ValueError, match="KIND/NAME"):
        WorkloadName.parse(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--config", "x", "--max-router-pods", "3"), "goes with --kubernetes"),
        (("--kubernetes", "--max-router-pods", "3"), "--coordination-key-file"),
        ((*SHARED, "--max-router-pods", "3"), "needs --own-workload"),
        ((*SHARED, "--max-router-pods", "3", "--own-workload", "maitre"), "KIND/NAME"),
        (
            (*SHARED, "--own-workload", "Deployment/x", "--max-router-pods", "2", "--min-router-pods", "3"),
            "less than --min",
        ),
        (("--config", "x", "--routing-time-ms", "0"), "--routing-time-ms"),
    ],
)
def test_a_size_that_cannot_be_is_refused(run, options, words):
    result, settings = run(*options)
    assert (result.exit_code, settings) == (2, None)
    assert words in " ".join(result.output.split())


def test_routers_share_out_slots_only_when_they_have_a_key(run):
    _, settings = run("--kubernetes", "--coordination-host", "10.0.0.1", "--coordination-port", "1")
    assert settings.kubernetes.coordination is None


def test_coordination_by_default_is_for_this_machine(run):
    _, settings = run("--kubernetes", "--coordination-key-file", "key")
    assert settings.kubernetes.coordination == CoordinationSettings(Path("key"), "127.0.0.1", 8082, None)


@pytest.mark.parametrize("address", ["10.0.0.1:8082", "[fd00::1]:8082", "maitre-1.routers:1"])
def test_coordination_from_the_environment(run, address):
    _, settings = run(
        MAITRE_KUBERNETES="1",
        MAITRE_COORDINATION_KEY_FILE="/etc/maitre/coordination/key",
        MAITRE_COORDINATION_HOST="0.0.0.0",
        MAITRE_COORDINATION_PORT="0",
        MAITRE_COORDINATION_ADVERTISE=address,
    )
    assert settings.kubernetes.coordination == CoordinationSettings(
        Path("/etc/maitre/coordination/key"), "0.0.0.0", 0, address
    )


KEY = ["--kubernetes", "--coordination-key-file", "key"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--config", "x", "--coordination-key-file", "key"], "--coordination-key-file goes with --kubernetes"),
        ([*KEY, "--coordination-port", "65536"], "less than or equal to 65535"),
        ([*KEY, "--coordination-host", "0.0.0.0"], "0.0.0.0 needs --coordination-advertise"),
        ([*KEY, "--coordination-host", "::"], ":: needs --coordination-advertise"),
        ([*KEY, "--coordination-advertise", "10.0.0.1"], "is HOST:PORT, not '10.0.0.1'"),
        ([*KEY, "--coordination-advertise", ":8082"], "is HOST:PORT, not ':8082'"),
        ([*KEY, "--coordination-advertise", "10.0.0.1:0"], "is HOST:PORT, not '10.0.0.1:0'"),
    ],
)
def test_an_address_at_which_nobody_could_be_reached_is_refused(run, options, words):
    result, settings = run(*options)
    assert result.exit_code == 2
    assert words in result.output
    assert settings is None


CLUSTER_NEVER_ASKED = """
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: a, user: {}}]
"""


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read: No such file"), (b"secret", "has 6 bytes")])
def test_a_key_that_cannot_be_used_ends_it_before_it_serves(tmp_path, content, words):
    (tmp_path / "config").write_text(CLUSTER_NEVER_ASKED)
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    options = ["--kubernetes", "--port", "0", "--admin-port", "0", "--coordination-port", "0"]
    ended = subprocess.run(
        [sys.executable, "-m", "router", "serve", *options, "--coordination-key-file", str(key)],
        check=False,
        env={**os.environ, "KUBECONFIG": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1, ended.stderr
    assert f"maitre: {key}: " in ended.stderr
    assert words in ended.stderr
    assert "secret" not in ended.stderr
    assert ended.stdout == ""


def test_each_also_from_the_environment(run):
    _, settings = run(
        MAITRE_CONFIG="digits.yaml",
        MAITRE_PORT="1234",
        MAITRE_ADMIN_PORT="0",
        MAITRE_STATE_DIR="/somewhere",
        MAITRE_DRAIN_SECONDS="2",
        MAITRE_DEV_TEST="true",
        MAITRE_TRUSTED_PROXIES="10.0.0.0/8 192.168.0.0/16",
        MAITRE_LOG_LEVEL="error",
        MAITRE_ACCESS_LOG="access.log",
    )
    assert settings.port == 1234
    assert settings.state_dir == Path("/somewhere")
    assert settings.dev_test
    assert len(settings.trusted_proxies) == 2
    assert settings.log_level == "error"
    assert settings.access_log == "access.log"


PAIR = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"]


@pytest.mark.parametrize(
    ("arguments", "tls"),
    [
        ([], TlsSettings(Path("cert.pem"), Path("key.pem"))),
        (["--tls-client-ca", "ca.pem"], TlsSettings(Path("cert.pem"), Path("key.pem"), Path("ca.pem"))),
        (
            ["--tls-client-ca", "ca.pem", "--tls-client-auth", "optional"],
            TlsSettings(Path("cert.pem"), Path("key.pem"), Path("ca.pem"), client_required=False),
        ),
        (["--admin-tls"], TlsSettings(Path("cert.pem"), Path("key.pem"), admin=True)),
        (["--admin-host", "0.0.0.0"], TlsSettings(Path("cert.pem"), Path("key.pem"), admin=True)),
        (["--admin-host", "::1"], TlsSettings(Path("cert.pem"), Path("key.pem"))),
        (["--admin-host", "localhost"], TlsSettings(Path("cert.pem"), Path("key.pem"))),
        (["--admin-host", "router.local"], TlsSettings(Path("cert.pem"), Path("key.pem"), admin=True)),
        (["--admin-host", "0.0.0.0", "--no-admin-tls"], TlsSettings(Path("cert.pem"), Path("key.pem"))),
    ],
)
def test_tls(run, arguments, tls):
    _, settings = run("--config", "x", *PAIR, *arguments)
    assert settings.tls == tls


def test_tls_from_the_environment(run):
    _, settings = run(
        MAITRE_CONFIG="x",
        MAITRE_TLS_CERT="cert.pem",
        MAITRE_TLS_KEY="key.pem",
        MAITRE_TLS_CLIENT_CA="ca.pem",
        MAITRE_TLS_CLIENT_AUTH="optional",
        MAITRE_ADMIN_TLS="true",
    )
    assert settings.tls == TlsSettings(
        Path("cert.pem"), Path("key.pem"), Path("ca.pem"), client_required=False, admin=True
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "x", "--port", "65536"], "less than or equal to 65535"),
        (["--config", "x", "--drain-seconds", "-1"], "greater than or equal to 0"),
        (["--config", "x", "--workers", "many"], "--workers is auto or a number"),
        (["--config", "x", "--trusted-proxies", "10.0.0.1/8"], "has host bits set"),
        (["--config", "x", "--log-level", "loud"], "loud"),
        ([], "--config"),
        (["--config", "x", "--tls-cert", "c"], "--tls-cert and --tls-key go together"),
        (["--config", "x", "--tls-key", "k"], "--tls-cert and --tls-key go together"),
        (["--config", "x", "--tls-client-ca", "ca"], "--tls-client-ca needs --tls-cert"),
        (["--config", "x", *PAIR, "--tls-client-auth", "optional"], "--tls-client-auth needs --tls-client-ca"),
        (["--config", "x", *PAIR, "--tls-client-ca", "ca", "--tls-client-auth", "none"], "none"),
        (["--config", "x", "--admin-tls"], "--admin-tls needs --tls-cert"),
    ],
)
def test_what_is_wrong_is_said(run, arguments, message):
    result, settings = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert settings is None
