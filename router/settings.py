"""Settings of the process, parsed once by the command line and never changed: one frozen object.

Endpoints are not settings; they come from a store and change while the process runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from router.core.limits import ClientLimits


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
    own_namespace: str | None = None
    """Where this router runs, and the Lease is; None: the one that its credentials name."""
    coordination: CoordinationSettings | None = None


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
    workers: int | None = None
    """Processes that take requests; 1: in the control process; None: as many as are needed, up to the cores."""
    admin_host: str = "127.0.0.1"
    admin_port: int = 8081
    """0 picks a free one."""
    tls: TlsSettings | None = None
    """None: in the clear."""
    state_dir: Path = field(default_factory=default_state_dir)
    log_level: str = "info"
    access_log: str | None = None
    """A file, or `-` for standard output; None: no access log."""
    dev_test: bool = False
    """Count, never scale."""
    limits: ClientLimits = field(default_factory=ClientLimits)
    """Of what clients may do, on the data port."""
    drain_seconds: float = 30.0
    """How long running requests may take at the end of a replica or of the router."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """From these peers, x-forwarded-* is kept."""
