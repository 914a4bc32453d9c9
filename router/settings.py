"""Settings of the process, parsed once by the command line and never changed: one frozen object.

Endpoints are not settings; they come from a store and change while the process runs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, NamedTuple

from autoscaler.frontend import ROUTING_MS
from router.core.limits import ClientLimits

_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_WORKLOAD: Final = re.compile(
    rf"((?P<api_version>([-a-z0-9.]+/)?v[0-9][a-z0-9]*)/)?(?P<kind>[A-Z][A-Za-z0-9]{{0,62}})/(?P<name>{_LABEL}(\.{_LABEL})*)"
)


def default_state_dir() -> Path:
    """XDG_STATE_HOME/maitre, which is ~/.local/state/maitre where nothing else is said (XDG Base Directory 0.8)."""
    base = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "state") / "maitre"
    except RuntimeError:  # a user without a home, as in a container
        return Path("/var/lib/maitre")


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What clients are shown, and asked for. All are PEM files."""

    certificate: Path
    """With its chain, leaf first."""
    key: Path
    client_ca: Path | None = None
    """Authorities of client certificates; None: clients are not asked for one."""
    client_required: bool = True
    """False: a client may show none, but not a wrong one. Only with `client_ca`."""
    admin: bool = False
    """Whether the admin port speaks TLS too, with the same certificate; it asks nobody for one."""


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """Endpoints come from ScoringEndpoint resources, replicas are pods."""

    namespaces: tuple[str, ...] = ()
    """Where endpoints are looked for; empty: in all."""
    pod: str = ""
    """The name of this router among its like, and in the Events that it writes."""
    pod_uid: str | None = None
    """Of the pod that this router is; None: it may be none, and nothing is concluded from what pods there are."""
    own_namespace: str | None = None
    """Where this router runs, and the Lease is; None: the one that its credentials name."""
    coordination: CoordinationSettings | None = None
    router_pods: RouterPodsSettings | None = None
    """None: how many there are is left alone."""


@dataclass(frozen=True, slots=True)
class CoordinationSettings:
    """How routers share out slots; without it each uses all of them."""

    key_file: Path
    """A key that all routers have, of 32 random bytes or more."""
    host: str = "127.0.0.1"
    port: int = 8082
    """0 picks a free one."""
    advertise: str | None = None
    """HOST:PORT at which the others reach this router; None: host and port."""


class WorkloadName(NamedTuple):
    """A workload in a cluster, by its kind and name."""

    api_version: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> WorkloadName:
        """`Deployment/maitre` or `apps/v1/StatefulSet/maitre`; without an API version apps/v1 is meant. Raises
        ValueError."""
        found = _WORKLOAD.fullmatch(text)
        if found is None:
            raise ValueError(f"a workload is KIND/NAME or GROUP/VERSION/KIND/NAME, not {text!r}")
        return cls(found["api_version"] or "apps/v1", found["kind"], found["name"])


@dataclass(frozen=True, slots=True)
class RouterPodsSettings:
    """Between how many pods the router scales itself."""

    workload: WorkloadName
    """Whose pods the routers are, in their own namespace."""
    fewest: int
    most: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What `maitre serve` was told."""

    config: Path | None = None
    """A YAML file, or a directory of them; None in a cluster."""
    kubernetes: KubernetesSettings | None = None
    """Exactly one of this and `config`."""
    default_namespace: str | None = None
    """Whose endpoints go by their bare names; None: `default` for files, the router's own in a cluster."""
    host: str = "0.0.0.0"  # noqa: S104  the data port is for everybody; the admin port is not
    port: int = 8080
    """0 picks a free one."""
    public_url: str | None = None
    """Where clients reach the data port, without a slash at the end; None: at `host` and `port`."""
    workers: int | None = None
    """Processes that take requests; 1: in the control process; None: as many as are needed, up to the cores."""
    admin_host: str = "127.0.0.1"
    admin_port: int = 8081
    """0 picks a free one."""
    admin_token_file: Path | None = None
    """Whose text is the admin token; None: one in `state_dir`, made at the first start."""
    tls: TlsSettings | None = None
    """None: in the clear."""
    state_dir: Path = field(default_factory=default_state_dir)
    log_level: str = "info"
    access_log: str | None = None
    """A file, or `-` for standard output; None: no access log."""
    routing_time_ms: float = ROUTING_MS
    """Above it the router gets more workers, and then more pods."""
    dev_test: bool = False
    """Count, never scale."""
    limits: ClientLimits = field(default_factory=ClientLimits)
    """Of what clients may do, on the data port."""
    drain_seconds: float = 30.0
    """How long running requests may take at the end of a replica or of the router."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """From these peers, x-forwarded-* is kept."""
