"""Rules between values, and the shares of traffic that follow from them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.model.rules import claims, default_version, shares, violations
from router.model.spec import (
    Autoscale,
    DeploymentTarget,
    EndpointSpec,
    Metadata,
    ScoringEndpoint,
    Target,
    UpstreamTls,
    Version,
)

URLS = Target(urls=("http://127.0.0.1:5001",))
COMMAND = Target(command=("serve", "{port}"))


def version(name: str, percentile: float = 0, **others: object) -> Version:
    return Version.model_validate({"name": name, "traffic_percentile": percentile, "target": URLS, **others})


def spec(*versions: Version) -> EndpointSpec:
    return EndpointSpec(versions=versions)


def broken(*versions: Version) -> list[tuple[tuple[str | int, ...], str]]:
    endpoint = ScoringEndpoint(metadata=Metadata(name="digits"), spec=spec(*versions))
    return [(violation.path[2:], violation.message) for violation in violations(endpoint)]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version("aaa")], {"aaa": 100}),
        ([version("aaa", 20), version("bbb", 40, is_default=True)], {"aaa": 20, "bbb": 80}),
        ([version("aaa", 20), version("bbb", 40)], {"aaa": 60, "bbb": 40}),
        ([version("aaa", 33.3), version("bbb", 33.3), version("ccc", 33.4)], {"aaa": 33.3, "bbb": 33.3, "ccc": 33.4}),
        ([version("aaa", 0.1), version("bbb", 0.2)], {"aaa": 99.8, "bbb": 0.2}),
        ([version("aaa", mirror_percentile=50), version("bbb", 10)], {"aaa": 0, "bbb": 100}),
        ([version("aaa"), version("bbb", 100)], {"aaa": 0, "bbb": 100}),
    ],
)
def test_the_default_gets_the_rest_on_top_of_its_own(versions: list[Version], expected: dict[str, float]) -> None:
    assert broken(*versions) == []
    assert shares(spec(*versions)) == expected
    assert list(shares(spec(*versions))) == list(expected)


@st.composite
def splits(draw: st.DrawFn) -> list[Version]:
    """Up to six versions whose percentiles have up to six decimals and add up to 100 at most."""
    cuts = sorted(draw(st.lists(st.integers(0, 100_000_000), min_size=1, max_size=6)))
    parts = [high - low for low, high in zip([0, *cuts], cuts, strict=False)]
    mirrors = draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)).filter(lambda m: not all(m)))
    default = draw(st.none() | st.sampled_from([i for i, mirror in enumerate(mirrors) if not mirror]))
    return [
        version(f"v-{i}", 0 if mirror else part / 1_000_000, is_default=i == default, mirror_percentile=float(mirror))
        for i, (part, mirror) in enumerate(zip(parts, mirrors, strict=True))
    ]


@given(splits())
def test_shares_are_exactly_100_and_nobody_gets_less_than_said(versions: list[Version]) -> None:
    assert broken(*versions) == []
    split = shares(spec(*versions))
    assert sum(Decimal(repr(share)) for share in split.values()) == 100
    default = default_version(versions)
    for one in versions:
        if one is default:
            assert split[one.name] >= one.traffic_percentile
        else:
            assert split[one.name] == one.traffic_percentile


@given(st.lists(st.integers(0, 100_000_000), min_size=1, max_size=6))
def test_percentiles_are_refused_exactly_when_they_exceed_100(millionths: list[int]) -> None:
    versions = [version(f"v-{i}", part / 1_000_000) for i, part in enumerate(millionths)]
    assert len(broken(*versions)) == (sum(millionths) > 100_000_000)


def test_the_first_live_version_is_the_default_unless_another_says_so() -> None:
    mirror, blue, green = version("mirror", mirror_percentile=5), version("blue"), version("green", is_default=True)
    assert default_version([mirror, blue]) is blue
    assert default_version([mirror, blue, green]) is green
    with pytest.raises(ValueError, match="mirrors"):
        default_version([mirror])


def test_each_further_default_and_control_is_named() -> None:
    versions = [version(f"v-{i}", is_default=True, type="control") for i in range(3)]
    assert [path for path, _ in broken(*versions)] == [(1, "isDefault"), (2, "isDefault"), (1, "type"), (2, "type")]


def test_the_sum_is_complained_of_once_where_it_passes_100() -> None:
    assert broken(version("aaa", 60), version("bbb", 60), version("ccc", 60)) == [
        ((1, "trafficPercentile"), "with it the percentiles add up to 120.0; they may add up to 100 at most")
    ]


def test_a_mirror_counts_nothing_towards_100() -> None:
    assert broken(version("aaa", 60), version("bbb", 60, mirror_percentile=1)) == [
        ((1, "trafficPercentile"), "a version with a mirrorPercentile gets copies only and has no trafficPercentile")
    ]


def test_a_fixed_size_is_for_versions_that_are_not_scaled() -> None:
    fixed = Autoscale(enabled=False, replicas=3)
    assert broken(version("aaa", target=COMMAND, autoscale=fixed)) == []
    assert version("aaa", target=COMMAND, autoscale=fixed).fixed_replicas == 3
    assert version("aaa", target=COMMAND).fixed_replicas is None
    assert [path for path, _ in broken(version("aaa", target=COMMAND, autoscale=Autoscale(replicas=3)))] == [
        (0, "autoscale", "replicas")
    ]


def test_scale_to_zero_and_one_size_only_are_allowed() -> None:
    assert broken(version("aaa", target=COMMAND, autoscale=Autoscale(min_replicas=0, max_replicas=1))) == []
    assert broken(version("aaa", target=COMMAND, autoscale=Autoscale(min_replicas=4, max_replicas=4))) == []


def test_tls_goes_with_every_target_but_not_with_plain_urls() -> None:
    tls = UpstreamTls(cert_file="both.pem")
    for target in ({"command": ("{port}",)}, {"urls": ("https://a", "https://b")}):
        assert broken(version("aaa", target=Target.model_validate({**target, "tls": tls}))) == []
    mixed = Target(urls=("https://a", "http://b"), tls=tls)
    assert [path for path, _ in broken(version("aaa", target=mixed))] == [(0, "target", "urls", 1)]


def test_claims_are_the_name_the_hosts_and_the_workloads() -> None:
    workloads = [
        DeploymentTarget(name="x", port=1),
        DeploymentTarget(name="x", port=1, kind="StatefulSet"),
        DeploymentTarget(name="x", port=1, api_version="apps/v1beta1"),
        DeploymentTarget(name="x", port=1, api_version="v1"),
    ]
    endpoint = ScoringEndpoint(
        metadata=Metadata(name="digits", namespace="prod"),
        spec=EndpointSpec(
            hosts=("a", "b"),
            versions=tuple(version(f"v-{i}", target=Target(deployment=one)) for i, one in enumerate(workloads)),
        ),
    )
    assert [claim.what for claim in claims(endpoint)] == [
        "the name digits in namespace prod",
        "the host a",
        "the host b",
        "the workload Deployment.apps x in namespace prod",
        "the workload StatefulSet.apps x in namespace prod",
        "the workload Deployment.apps x in namespace prod",
        "the workload Deployment x in namespace prod",
    ]
    assert list(claims(endpoint))[4].path == ("spec", "versions", 1, "target", "deployment", "name")
