"""Single values at the edges of what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from router.model import fields

ALLOWED: list[tuple[Any, object]] = [
    (fields.Name, "abc"),
    (fields.Name, "a-9" + "b" * 29),
    (fields.Namespace, "9"),
    (fields.Host, "a"),
    (fields.Host, "127.0.0.1"),
    (fields.Host, ".".join(["a" * 61] * 4)),
    (fields.Origin, "*"),
    (fields.Origin, "https://app.example.com:8443"),
    (fields.Origin, "http://[::1]:3000"),
    (fields.Percent, 0),
    (fields.Percent, 100.0),
    (fields.Percent, 33.333333),
    (fields.ScoringPath, "/"),
    (fields.ScoringPath, "/v1/models/m:predict;a=b%20c"),
    (fields.ReadinessPath, "/health?full=1"),
    (fields.ReplicaUrl, "http://model"),
    (fields.ReplicaUrl, "https://[::1]:65535/"),
    (fields.KeySetUrl, "https://login.example.com/keys?v=2"),
    (fields.KeySetUrl, "http://localhost:1/keys"),
    (fields.KeySetUrl, "http://127.8.9.1/keys"),
    (fields.KeySetUrl, "http://[::1]/keys"),
    (fields.ApiVersion, "v1"),
    (fields.ApiVersion, "argoproj.io/v1alpha1"),
    (fields.Replicas, 0),
    (fields.RefreshSeconds, 0.05),
]
REFUSED: list[tuple[Any, object]] = [
    (fields.Namespace, "a" * 64),
    (fields.Host, "a."),
    (fields.Host, "a..b"),
    (fields.Host, "-a"),
    (fields.Host, ""),
    (fields.Host, "é"),
    (fields.Host, "a" * 64),
    (fields.Host, ".".join(["a" * 61] * 5)),
    (fields.Origin, "https://"),
    (fields.Origin, "null"),
    (fields.Percent, 100.000001),
    (fields.Percent, 1e-7),
    (fields.ScoringPath, "//a b"),
    (fields.ScoringPath, ""),
    (fields.ReadinessPath, "/a#b"),
    (fields.ReplicaUrl, "HTTP://model"),
    (fields.ReplicaUrl, "http://a@b"),
    (fields.ReplicaUrl, "http://mod el"),
    (fields.KeySetUrl, "http://login.example.com/keys"),
    (fields.KeySetUrl, "http://127.0.0.1.example.com/keys"),
    (fields.KeySetUrl, "http://localhost@example.com/keys"),
    (fields.KeySetUrl, "https://u:p@example.com/keys"),
    (fields.KeySetUrl, "https://[::1/keys"),
    (fields.KeySetUrl, "https:///keys"),
    (fields.FilePath, ""),
    (fields.FilePath, "a\x00b"),
    (fields.Command, ("a", "{port}\x00")),
]


@pytest.mark.parametrize(("kind", "value"), ALLOWED)
def test_allowed(kind: Any, value: object) -> None:
    assert TypeAdapter(kind).validate_python(value, strict=True) == value


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value, strict=True)


def test_a_port_may_stand_anywhere_in_the_command() -> None:
    assert TypeAdapter(fields.Command).validate_python(["a", "--listen=0:{port}"]) == ("a", "--listen=0:{port}")


def test_header_names_are_kept_in_lower_case() -> None:
    assert TypeAdapter(fields.HeaderName).validate_python("X-User-Id") == "x-user-id"
