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
    return (Path(base) if base else Path.home() / ".local" / "state") / "maitre"


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
class Settings:
    """What `maitre serve` was told."""

    config: Path
    """A YAML file, or a directory of them."""
    host: str = "0.0.0.0"  # noqa: S104  the data port is for everybody; the admin port is not
    port: int = 8080
    """0 picks a free one."""
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
