"""Documents of endpoints in which each value by itself is right; whether they break rules between values is chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["blue", "green", "red", "a-9"])
PERCENTS = st.sampled_from([0, 0.000001, 20, 33.3, 33.333333, 50, 99.999999, 100]) | st.integers(0, 10**8).map(
    lambda millionths: millionths / 1e6
)
FILES = st.sampled_from(["ca.pem", "tls/ca.pem", "..data/ca.pem", "/ca.pem", "a/../ca.pem", ".."])
URLS = st.sampled_from(["http://10.0.0.1:5001", "https://10.0.0.2", "https://model.example"])
REPLICAS = st.integers(0, 12)


def some(required: dict[str, Any] | None = None, /, **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required or {}, optional=optional)


AUTHS = some(
    mode=st.sampled_from(["key", "token", "none"]),
    secretName=st.just("digits-secret"),
    keysFile=st.just("keys.yaml"),
    token=st.just({"issuer": "https://id.example", "audience": "digits", "jwksUri": "https://id.example/keys"}),
)
TARGETS = some(
    deployment=some(
        {"name": st.just("digits"), "port": st.integers(1, 65_535)},
        kind=st.just("StatefulSet"),
        apiVersion=st.just("apps/v1"),
    ),
    urls=st.lists(URLS, min_size=1, max_size=3, unique=True),
    command=st.just(["serve", "{port}"]),
    tls=some(caFile=FILES, certFile=FILES, keyFile=FILES, serverName=st.just("model.example")),
)
AUTOSCALES = some(
    enabled=st.booleans(),
    minReplicas=REPLICAS,
    maxReplicas=st.integers(1, 12),
    refreshPeriodSeconds=st.sampled_from([1, 0.05, 2.5]),
    replicas=REPLICAS,
)
VERSIONS = some(
    {"name": NAMES, "target": TARGETS},
    trafficPercentile=PERCENTS,
    isDefault=st.booleans(),
    type=st.sampled_from(["control", "treatment"]),
    scoringPath=st.just("/v2/infer"),
    maxQueueWaitMs=st.integers(0, 86_400_000),
    autoscale=AUTOSCALES,
    mirrorPercentile=st.just(0) | PERCENTS,
    collectData=st.booleans(),
)
SPECS = some(
    {"versions": st.lists(VERSIONS, min_size=1, max_size=4)},
    auth=AUTHS,
    hosts=st.lists(st.sampled_from(["a.example", "b.example"]), unique=True),
    cors=st.just({"allowOrigins": ["https://app.example"]}),
    sticky=st.just({"header": "X-User"}),
    serverTiming=st.booleans(),
)

LAWFUL_TARGETS = st.one_of(
    st.just({"deployment": {"name": "digits", "port": 5001}}),
    st.just({"deployment": {"name": "digits", "port": 5001, "kind": "StatefulSet"}, "tls": {"caFile": "ca.pem"}}),
    st.just({"urls": ["https://10.0.0.2"], "tls": {}}),
)
LAWFUL_SPECS = some(
    {
        "versions": st.lists(
            some(
                {"name": NAMES, "target": LAWFUL_TARGETS},
                trafficPercentile=st.sampled_from([0, 20, 33.3, 0.000001]),
                scoringPath=st.just("/v2/infer"),
                autoscale=some({"enabled": st.just(False)}, refreshPeriodSeconds=st.sampled_from([1, 2.5])),
                maxQueueLength=st.integers(0, 1_000_000),
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda version: version["name"],
        )
    },
    auth=some(secretName=st.just("digits-secret")),
    hosts=st.just(["a.example"]),
    sticky=st.just({"header": "X-User"}),
    serverTiming=st.booleans(),
)
"""Those that break no rule either."""


def document(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": "digits", "namespace": "models"},
        "spec": spec,
    }
