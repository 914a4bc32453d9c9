"""Keyword names and where they stand in the resource."""

import re
from typing import Any

import pytest
from pydantic import BaseModel

from router.client import Misused
from router.client.settings import (
    UNSET,
    EndpointSettings,
    VersionSettings,
    divided,
    endpoint_patch,
    new_spec,
    new_version,
    version_patch,
)
from router.model.interpreting import endpoint_from
from router.model.spec import EndpointSpec, Version

SHORT = {"target_deployment": "deployment", "target_command": "command", "target_urls": "urls"} | {
    "autoscale_replicas": "replicas"
}
# TLS to replicas names files of the router's machine: said in a file or a whole resource
NOT_OFFERED = {"name", "versions", "target_tls"}


def names(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Of all keys of the schema, as the rule has it."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = [each for each in _types(field.annotation) if issubclass(each, BaseModel)]
        if not inner or prefix + name in (*NOT_OFFERED, "target_deployment", *SHORT):
            found.add(prefix + name)
        else:
            found |= names(inner[0], f"{prefix}{name}_")
    return found


def _types(annotation: Any) -> list[type]:
    parts = getattr(annotation, "__args__", None) or (annotation,)
    return [each for each in parts if isinstance(each, type)]


@pytest.mark.parametrize(("model", "settings"), [(Version, VersionSettings), (EndpointSpec, EndpointSettings)])
def test_every_key_of_the_schema_has_its_name(model, settings):
    expected = {SHORT.get(name, name) for name in names(model) - NOT_OFFERED}
    assert set(settings.__annotations__) == expected


def test_all_of_them_are_understood_by_the_schema():
    endpoint: dict[str, Any] = {
        "auth_mode": "token",
        "auth_token_issuer": "https://issuer.example.com",
        "auth_token_audience": "digits",
        "auth_token_jwks_uri": "https://issuer.example.com/keys",
        "auth_token_algorithms": ("ES256",),
        "auth_token_required_scopes": ["score"],
        "auth_token_required_claims": {"team": "digits"},
        "hosts": ("digits.example.com",),
        "cors_allow_origins": ["https://app.example.com"],
        "sticky_header": "x-user-id",
        "server_timing": True,
    }
    version: dict[str, Any] = {
        "command": ("python", "model.py", "--port", "{port}"),
        "traffic_percentile": 12.5,
        "is_default": True,
        "type": "control",
        "autoscale_enabled": True,
        "autoscale_min_replicas": 0,
        "autoscale_max_replicas": 3,
        "autoscale_target_utilization": 60,
        "autoscale_refresh_period_seconds": 2.0,
        "autoscale_scale_down_window_seconds": 30.0,
        "max_concurrent_requests_per_replica": 4,
        "max_queue_wait_ms": 1000,
        "max_queue_length": 10,
        "scoring_timeout_ms": 5000,
        "cold_start_timeout_ms": 7000,
        "scoring_path": "/predict",
        "readiness_path": "/ready",
        "collect_data": False,
    }
    said_endpoint, said_version = divided(endpoint | version)
    spec = new_spec(said_endpoint, new_version("blue", said_version))
    resource = {"apiVersion": "maitre.dev/v1alpha1", "kind": "ScoringEndpoint", "metadata": {"name": "digits"}}
    understood = endpoint_from({**resource, "spec": spec}, "here")
    assert understood.spec.versions[0].max_concurrent_requests_per_replica == 4
    assert understood.spec.versions[0].autoscale.refresh_period_seconds == 2.0
    assert understood.spec.auth.token.jwks_uri == "https://issuer.example.com/keys"
    assert understood.spec.auth.token.required_claims == {"team": "digits"}


def test_none_is_not_said_and_unset_takes_back():
    assert version_patch({"max_queue_wait_ms": None, "traffic_percentile": 0}) == {"trafficPercentile": 0}
    assert version_patch({"max_queue_wait_ms": UNSET, "autoscale_max_replicas": UNSET}) == {
        "maxQueueWaitMs": None,
        "autoscale": {"maxReplicas": None},
    }
    assert endpoint_patch({"cors_allow_origins": UNSET, "hosts": None}) == {"cors": None}


def test_a_fixed_size_and_autoscaling_exclude_each_other():
    assert version_patch({"replicas": 2}) == {"autoscale": {"enabled": False, "replicas": 2}}
    assert version_patch({"autoscale_enabled": True}) == {"autoscale": {"enabled": True, "replicas": None}}
    assert new_version("blue", {"autoscale_enabled": True}) == {"name": "blue", "autoscale": {"enabled": True}}


@pytest.mark.parametrize("wrong", ["digits-blue", "digits-blue:http", ":5001"])
def test_a_deployment_is_a_name_and_a_port(wrong):
    with pytest.raises(Misused, match=re.escape(repr(wrong))):
        version_patch({"deployment": wrong})
