"""Who is measured; maitre's own configuration is read by maitre's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import contenders, ourselves
from bench.contenders import BASE, ENVOY, HAPROXY, MAITRE, NGINX, TREE, environment, installed
from bench.work import ENDPOINT, KEY, MOST_CONNECTIONS, SCORING_PATH, Replicas
from router.model.parsing import parse

REPLICAS = Replicas(blue=(5001, 5002), green=(5003, 5004))


def test_maitre_s_configuration_is_valid_and_the_same_work() -> None:
    parsed = parse(ourselves.configuration(REPLICAS), "endpoints.yaml")
    assert not parsed.problems
    (endpoint,) = parsed.endpoints
    assert endpoint.metadata.name == ENDPOINT
    shares = {version.name: version.traffic_percentile for version in endpoint.spec.versions}
    assert shares == {"blue": 80, "green": 20}
    urls = [url for version in endpoint.spec.versions for url in version.target.urls or ()]
    assert urls == [f"http://127.0.0.1:{port}" for port in REPLICAS.all]
    for version in endpoint.spec.versions:
        assert version.max_concurrent_requests_per_replica == MOST_CONNECTIONS  # so nobody queues
        assert version.scoring_path == SCORING_PATH


def test_maitre_s_keys_lie_beside_it(tmp_path: Path) -> None:
    command = ourselves.prepare(tmp_path, 8080, REPLICAS)
    assert str(tmp_path / "endpoints.yaml") in command
    assert f"primaryKey: {KEY}\n" in (tmp_path / "keys.yaml").read_text()


def test_no_setting_of_maitre_leaks_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRE_ACCESS_LOG", "-")
    assert "MAITRE_ACCESS_LOG" not in environment()


def test_who_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders.shutil, "which", lambda _: None)
    monkeypatch.setattr("bench.peers.envoy.find_spec", lambda _: None)
    found, missing = installed()
    assert [each.name for each in found] == [MAITRE]
    assert missing == [NGINX, HAPROXY, ENVOY]


def test_two_more_trees_of_maitre_can_take_part(tmp_path: Path) -> None:
    compiled = tmp_path / "fast one"
    compiled.mkdir()
    found, _ = installed(base=tmp_path, also=compiled)
    ours = [each for each in found if each.kind == MAITRE]
    assert [each.name for each in ours] == [MAITRE, "maitre (fast one)", BASE]
    assert [each.tree for each in ours] == [TREE, compiled, tmp_path]
    assert [each.directory for each in ours] == ["maitre", "maitre-fast-one", "maitre-base"]
    assert [each.version for each in ours[1:]] == ["fast one", tmp_path.name]  # no commit: the directory's name
    assert all(each.kind == each.name for each in found if each.tree is None)
