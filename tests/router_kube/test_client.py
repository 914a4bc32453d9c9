"""Where the API server is found, and what its errors are called."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from lightkube import ApiError
from lightkube.core.exceptions import ConfigError
from lightkube.models.meta_v1 import Status

from router.kube.client import CALL_FAILED, ClusterUnknown, connect, connect_to_follow, explain, find_cluster

SERVER = "https://127.0.0.1:6443"
GOOD = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me", "namespace": "web"}}],
    "clusters": [{"name": "one", "cluster": {"server": SERVER, "insecure-skip-tls-verify": True}}],
    "users": [{"name": "me", "user": {"token": "secret-token-of-mine"}}],
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


async def test_a_kubeconfig(kubeconfig):
    kubeconfig.write_text(json.dumps(GOOD))
    found = find_cluster()
    assert (found.cluster.server, found.namespace) == (SERVER, "web")
    assert "secret-token" not in repr(found.cluster)
    client, http = connect(found), connect_to_follow(found)
    assert str(http.base_url).rstrip("/") == SERVER
    assert http.timeout.read is not None, "a call that is never answered ends"
    await client.aclose()
    await http.aclose()


def test_nothing_says_where_it_is():
    with pytest.raises(ClusterUnknown, match="neither a service account, nor KUBECONFIG, nor"):
        find_cluster()


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{not yaml",
        "just words",
        "[]",
        json.dumps({**GOOD, "contexts": []}),
        json.dumps({**GOOD, "current-context": "elsewhere"}),
        json.dumps({**GOOD, "users": []}),
        json.dumps({**GOOD, "clusters": []}),
        json.dumps({name: value for name, value in GOOD.items() if name != "current-context"}),
    ],
)
def test_a_kubeconfig_of_no_use(kubeconfig, content):
    if content is not None:
        kubeconfig.write_text(content)
    with pytest.raises(ClusterUnknown, match="no cluster"):
        find_cluster()


def test_credentials_in_a_broken_kubeconfig_are_not_quoted(kubeconfig):
    kubeconfig.write_text("users: [{user: {token: secret-token-of-mine}}\nclusters: x")
    with pytest.raises(ClusterUnknown) as caught:
        find_cluster()
    assert "secret-token" not in str(caught.value)
    assert caught.value.__suppress_context__, "nor in a traceback"


REQUEST = httpx2.Request("GET", SERVER)


def forbidden(sentence: str, namespace: str | None = None) -> ApiError:
    """As the API server says it."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return ApiError(status=Status(code=403, reason="Forbidden", message=sentence + where))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiError(status=Status(code=403, reason="Forbidden", message="no")), "Forbidden: no"),
        (ApiError(status=Status(code=500, message="etcd")), "500: etcd"),
        (
            forbidden('pods "blue-1" is forbidden: User "x" cannot patch resource "pods" in API group "" ', "web"),
            "cannot patch pods in namespace web: forbidden, no role of the router has this right",
        ),
        (
            forbidden(
                'deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" '
            ),
            "cannot list deployments of apps in all namespaces: forbidden, no role of the router has this right",
        ),
        (httpx2.HTTPStatusError("x", request=REQUEST, response=httpx2.Response(503)), "HTTP status 503"),
        (httpx2.ReadTimeout(""), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (httpx2.ConnectError("All connection attempts failed"), "All connection attempts failed"),
        (httpx2.ReadError(""), "ReadError"),
        (ConfigError("token file is gone"), "token file is gone"),
    ],
)
def test_errors_in_a_few_words(error, words):
    assert explain(error) == words
    assert isinstance(error, CALL_FAILED)
