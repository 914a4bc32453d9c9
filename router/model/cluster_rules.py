"""The rules between several values once more, for the API server: in CEL, so that `kubectl apply` refuses at once.

The same verdicts as `rules.py` and `resource.py`, which stay the judges. Servers before 1.25 drop these rules when they
store the definition; then a resource that breaks them is stored, and its condition Accepted says why it is not in
force. So it is everywhere with what CEL cannot see well: the inside of a URL, the seventh decimal of a percentile, and
what several resources owe to each other.

A rule looks at the values of one place, after the defaults have been filled in. It may use what Kubernetes 1.25 has
(also its own list library, for `sum`), and its cost must be bounded by the limits of the schema. Pure; `crd.py` puts
the rules into the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

SchemaPath: TypeAlias = tuple[str, ...]
"""The way to a place in a structural schema below `spec`: keys, and `ITEMS` for the entries of a list."""

ITEMS: Final = "[]"

_VERSIONS: Final = ("versions",)
_VERSION: Final = ("versions", ITEMS)
_TARGET: Final = (*_VERSION, "target")
_TLS: Final = (*_TARGET, "tls")
_AUTOSCALE: Final = (*_VERSION, "autoscale")

_ONLY_BELOW: Final = r"!self.matches('^/|(^|/)[.][.](/|$)')"
_TLS_FILE: Final = "is not allowed in a cluster: a relative path without .., below /etc/maitre/tls"


@dataclass(frozen=True, slots=True)
class Rule:
    """What must be true at a place, and what kubectl shows where it is not."""

    at: SchemaPath
    says: str
    """A CEL expression over `self`."""
    message: str


CLUSTER_RULES: Final = (
    Rule(
        ("auth",),
        "!has(self.keysFile)",
        "keysFile is not allowed in a cluster: secretName, the Secret with primaryKey and secondaryKey",
    ),
    Rule(
        ("auth",),
        "!has(self.secretName) || self.mode == 'key' || (self.mode == 'token' && !has(self.token))",
        "secretName is for mode key and for tokens of the router's own",
    ),
    Rule(("auth",), "!has(self.token) || self.mode == 'token'", "token is for mode token"),
    Rule(
        ("auth",),
        "!has(self.token) || has(self.token.jwksUri) || self.token.issuer.matches('^https?://[^/]')",
        "without a jwksUri the issuer must be an https:// URL",
    ),
    Rule(_VERSIONS, "self.filter(v, v.isDefault).size() <= 1", "only one version is the default"),
    Rule(_VERSIONS, "self.filter(v, v.type == 'control').size() <= 1", "at most one version is the control"),
    Rule(
        _VERSIONS,
        "self.exists(v, v.mirrorPercentile == 0.0)",
        "at least one version must answer; all of them are mirrors",
    ),
    # Percentiles have at most six decimals, so half a millionth parts 100 from the next sum, however floats round.
    Rule(
        _VERSIONS,
        "self.map(v, v.mirrorPercentile > 0.0 ? 0.0 : v.trafficPercentile).sum() < 100.0000005",
        "the percentiles may add up to 100 at most",
    ),
    Rule(
        _VERSION,
        "!(self.isDefault && self.mirrorPercentile > 0.0)",
        "a version with a mirrorPercentile answers nobody and cannot be the default",
    ),
    Rule(
        _VERSION,
        "!(self.mirrorPercentile > 0.0 && self.trafficPercentile > 0.0)",
        "a version with a mirrorPercentile gets copies only and has no trafficPercentile",
    ),
    Rule(
        _VERSION,
        "!has(self.target.urls) || !has(self.autoscale) || !self.autoscale.enabled",
        "fixed urls are never scaled; leave autoscale out, or say enabled: false",
    ),
    Rule(
        _VERSION,
        "!has(self.target.urls) || !has(self.autoscale) || !has(self.autoscale.replicas)",
        "fixed urls are the replicas; leave autoscale.replicas out",
    ),
    Rule(
        _TARGET,
        "!has(self.command)",
        "command is not allowed in a cluster: deployment or urls; a resource starts no processes",
    ),
    Rule(
        _TARGET,
        "has(self.command) || has(self.deployment) != has(self.urls)",
        "must have exactly one of deployment and urls",
    ),
    Rule(
        _TARGET,
        "!has(self.tls) || !has(self.urls) || self.urls.all(u, u.startsWith('https:'))",
        "with tls every URL begins with https://",
    ),
    Rule(
        _TLS,
        "!has(self.keyFile) || has(self.certFile)",
        "keyFile needs a certFile with the certificate of this key",
    ),
    Rule((*_TLS, "caFile"), _ONLY_BELOW, _TLS_FILE),
    Rule((*_TLS, "certFile"), _ONLY_BELOW, _TLS_FILE),
    Rule((*_TLS, "keyFile"), _ONLY_BELOW, _TLS_FILE),
    Rule(_AUTOSCALE, "self.minReplicas <= self.maxReplicas", "minReplicas is more than maxReplicas"),
    Rule(
        _AUTOSCALE,
        "!(self.enabled && has(self.replicas))",
        "replicas is for a fixed size, with enabled: false; with enabled: true say minReplicas and maxReplicas",
    ),
)
