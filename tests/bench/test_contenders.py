"""The contenders' configurations say the same work; maitre's own is read by maitre's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contenders import environment, haproxy_configuration, maitre, maitre_configuration, nginx_configuration
from bench.work import CONNECTIONS, ENDPOINT, KEY, PATH, SCORING_PATH, Replicas
from router.model.parsing import parse

REPLICAS = Replicas(blue=(5001, 5002), green=(5003, 5004))


@pytest.mark.parametrize(
    "text",
    [nginx_configuration(Path("/nowhere"), 8080, REPLICAS), haproxy_configuration(8080, REPLICAS)],
    ids=["nginx", "haproxy"],
)
def test_a_peer_has_key_path_split_and_all_replicas(text: str) -> None:
    for needed in (f"Bearer {KEY}", PATH, SCORING_PATH, "80", *(f"127.0.0.1:{port}" for port in REPLICAS.all)):
        assert needed in text


def test_maitre_s_configuration_is_valid_and_the_same_work() -> None:
    parsed = parse(maitre_configuration(REPLICAS), "endpoints.yaml")
    assert not parsed.problems
    (endpoint,) = parsed.endpoints
    assert endpoint.metadata.name == ENDPOINT
    shares = {version.name: version.traffic_percentile for version in endpoint.spec.versions}
    assert shares == {"blue": 80, "green": 20}
    urls = [url for version in endpoint.spec.versions for url in version.target.urls or ()]
    assert urls == [f"http://127.0.0.1:{port}" for port in REPLICAS.all]
    for version in endpoint.spec.versions:
        assert version.max_concurrent_requests_per_replica == CONNECTIONS  # so nobody queues
        assert version.scoring_path == SCORING_PATH


def test_maitre_s_keys_lie_beside_it(tmp_path: Path) -> None:
    command = maitre(tmp_path, 8080, REPLICAS)
    assert str(tmp_path / "endpoints.yaml") in command
    assert f"primaryKey: {KEY}\n" in (tmp_path / "keys.yaml").read_text()


def test_no_setting_of_maitre_leaks_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRE_ACCESS_LOG", "-")
    assert "MAITRE_ACCESS_LOG" not in environment()
