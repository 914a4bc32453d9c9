"""What the values of an endpoint owe to each other, and endpoints to each other (section 3 of the contract).

Pure: endpoints in, violations out. A path names the place in the words of the file, so that the caller can find its
line. `violations` judges one endpoint and is called by `interpreting.py`. `claims` lists what only one endpoint, or one
version of all, may have; `parsing.py` sees to it within a file, `catalogue.py` between files. `default_version` and
`shares` are what the split of traffic is made from; they have an answer for every endpoint without violations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from router.model.fields import trustworthy
from router.model.problems import Path
from router.model.spec import Auth, EndpointSpec, ScoringEndpoint, Target, Version

_WHOLE = Decimal(100)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is broken, at the place where the user would mend it."""

    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that only one may have: `what` in words ("the host digits.example.com"), which differ by kind."""

    path: Path
    what: str


def violations(endpoint: ScoringEndpoint) -> Iterator[Violation]:
    """All rules that the endpoint breaks by itself."""
    spec = endpoint.spec
    yield from _auth(spec.auth)
    yield from _names(spec.versions)
    yield from _roles(spec.versions)
    yield from _percentiles(spec.versions)
    for index, version in enumerate(spec.versions):
        at: Path = ("spec", "versions", index)
        yield from _target(version.target, (*at, "target"))
        yield from _autoscale(version, at)


def claims(endpoint: ScoringEndpoint) -> Iterator[Claim]:
    """What nobody else may have while this endpoint stands."""
    namespace, name = endpoint.key
    yield Claim(("metadata", "name"), f"the name {name} in namespace {namespace}")
    for index, host in enumerate(endpoint.spec.hosts):
        yield Claim(("spec", "hosts", index), f"the host {host}")
    for index, version in enumerate(endpoint.spec.versions):
        if (workload := version.target.deployment) is not None:
            # Two versions on one workload would be two autoscalers that pull at it.
            group = workload.api_version.rpartition("/")[0]
            what = f"the workload {workload.kind}{group and '.' + group} {workload.name} in namespace {namespace}"
            yield Claim(("spec", "versions", index, "target", "deployment", "name"), what)


def default_version(versions: Iterable[Version]) -> Version:
    """The one that is marked; else the first that is no mirror. Raises ValueError if there are only mirrors."""
    live = [version for version in versions if not version.is_mirror]
    if not live:
        raise ValueError("there is no version but mirrors")
    return next((version for version in live if version.is_default), live[0])


def shares(spec: EndpointSpec) -> dict[str, float]:
    """Percent of the live traffic by version name: the default has what nobody claims, on top of its own.

    Mirrors have 0. Added up as the decimals that they print as, the shares are exactly 100.
    """
    default = default_version(spec.versions)
    rest = _WHOLE - sum((_percent(version) for version in spec.versions if version is not default), start=Decimal())
    return {version.name: float(rest if version is default else _percent(version)) for version in spec.versions}


def _percent(version: Version) -> Decimal:
    """As the user wrote it: 33.3 + 33.3 + 33.4 is 100 in decimals, not in binary floats."""
    return Decimal() if version.is_mirror else Decimal(repr(version.traffic_percentile))


def _auth(auth: Auth) -> Iterator[Violation]:
    for key, is_given in (("keysFile", auth.keys_file is not None), ("secretName", auth.secret_name is not None)):
        if is_given and not auth.uses_keys:
            yield Violation(("spec", "auth", key), f"is for mode key and for tokens of the router's own; {_mode(auth)}")
    if auth.token is not None and auth.mode != "token":
        yield Violation(("spec", "auth", "token"), f"is for mode token, and {_mode(auth)}")
    if auth.token is not None and auth.token.jwks_uri is None:
        yield from _discoverable(auth.token.issuer)


def _discoverable(issuer: str) -> Iterator[Violation]:
    try:
        trustworthy(issuer)
    except ValueError as error:
        yield Violation(("spec", "auth", "token", "issuer"), f"without a jwksUri it must be {error}")


def _mode(auth: Auth) -> str:
    return "these are an outside issuer's" if auth.mode == "token" else f"the mode is {auth.mode}"


def _names(versions: tuple[Version, ...]) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version.name in seen:
            yield Violation(
                ("spec", "versions", index, "name"), f"another version is called {version.name}; names are unique"
            )
        seen.add(version.name)


def _roles(versions: tuple[Version, ...]) -> Iterator[Violation]:
    """One default, at most one control, and somebody to answer."""
    defaults = [index for index, version in enumerate(versions) if version.is_default]
    controls = [index for index, version in enumerate(versions) if version.type == "control"]
    for index in defaults[1:]:
        message = f"only one version is the default, and {versions[defaults[0]].name} is"
        yield Violation(("spec", "versions", index, "isDefault"), message)
    for index in controls[1:]:
        message = f"at most one version is the control, and {versions[controls[0]].name} is"
        yield Violation(("spec", "versions", index, "type"), message)
    for index in defaults:
        if versions[index].is_mirror:
            message = "a version with a mirrorPercentile answers nobody and cannot be the default"
            yield Violation(("spec", "versions", index, "isDefault"), message)
    if all(version.is_mirror for version in versions):
        yield Violation(("spec", "versions"), "at least one version must answer; all of them are mirrors")


def _percentiles(versions: tuple[Version, ...]) -> Iterator[Violation]:
    total = Decimal()
    for index, version in enumerate(versions):
        path: Path = ("spec", "versions", index, "trafficPercentile")
        if version.is_mirror and version.traffic_percentile > 0:
            yield Violation(path, "a version with a mirrorPercentile gets copies only and has no trafficPercentile")
        before, total = total, total + _percent(version)
        if before <= _WHOLE < total:
            yield Violation(path, f"with it the percentiles add up to {total}; they may add up to 100 at most")


def _target(target: Target, at: Path) -> Iterator[Violation]:
    given = [name for name in ("deployment", "command", "urls") if getattr(target, name) is not None]
    if len(given) != 1:
        found = f"; found {' and '.join(given)}" if given else "; found none"
        yield Violation(at, f"must have exactly one of deployment, command and urls{found}")
    if (tls := target.tls) is None:
        return
    if tls.key_file is not None and tls.cert_file is None:
        yield Violation((*at, "tls", "keyFile"), "needs a certFile with the certificate of this key")
    for index, url in enumerate(target.urls or ()):
        if not url.startswith("https:"):
            yield Violation((*at, "urls", index), "with tls every URL begins with https://")


def _autoscale(version: Version, at: Path) -> Iterator[Violation]:
    autoscale, urls = version.autoscale, version.target.urls
    low, high = autoscale.min_replicas, autoscale.max_replicas
    if low > high:
        yield Violation((*at, "autoscale", "minReplicas"), f"{low} is more than maxReplicas, which is {high}")
    if urls is not None and autoscale.enabled:
        message = "fixed urls are never scaled; leave autoscale out, or say enabled: false"
        yield Violation((*at, "autoscale"), message)
    elif urls is not None and autoscale.replicas is not None:
        yield Violation((*at, "autoscale", "replicas"), f"fixed urls are the replicas, {len(urls)} here; leave it out")
    elif autoscale.enabled and autoscale.replicas is not None:
        message = "is for a fixed size, with enabled: false; with enabled: true say minReplicas and maxReplicas"
        yield Violation((*at, "autoscale", "replicas"), message)
