"""`maitre serve`: reads options, each also as MAITRE_…, into settings, and hands over to `router.main`.

Exits 0 after a clean stop, 1 when the configuration is refused or a port is taken, 2 for wrong options.
"""

from __future__ import annotations

import socket
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from autoscaler.frontend import ROUTING_MS
from router.core.limits import ClientLimits
from router.settings import (
    CoordinationSettings,
    KubernetesSettings,
    RouterPodsSettings,
    Settings,
    TlsSettings,
    WorkloadName,
    default_state_dir,
)

LIMITS = ClientLimits()
"""What holds where no option says otherwise."""
COORDINATION = CoordinationSettings(Path())
MOST_WORKERS = 1024


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ClientAuth(StrEnum):
    OPTIONAL = "optional"
    REQUIRED = "required"


Config = Annotated[
    Path | None,
    typer.Option(
        help="A YAML file of endpoints, or a directory of them; reloaded when it changes.", envvar="MAITRE_CONFIG"
    ),
]
Kubernetes = Annotated[
    bool,
    typer.Option(
        "--kubernetes",
        help="Endpoints from ScoringEndpoint resources, pods as replicas: in a cluster, or with KUBECONFIG.",
        envvar="MAITRE_KUBERNETES",
    ),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", help="With --kubernetes: only endpoints here. Repeatable.", envvar="MAITRE_NAMESPACE"),
]
DefaultNamespace = Annotated[
    str | None,
    typer.Option(
        help="Its endpoints go by their bare names; else `default`, or in a cluster the router's own.",
        envvar="MAITRE_DEFAULT_NAMESPACE",
    ),
]
PodName = Annotated[
    str | None, typer.Option(help="Of this router, for the election and Events.", envvar="POD_NAME", hidden=True)
]
PodUid = Annotated[str | None, typer.Option(help="Of the pod that this router is.", envvar="POD_UID", hidden=True)]
PodNamespace = Annotated[str | None, typer.Option(help="Where its Lease is.", envvar="POD_NAMESPACE", hidden=True)]
Host = Annotated[str, typer.Option(help="Address of the data port.", envvar="MAITRE_HOST")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Data port; 0 picks a free one.", envvar="MAITRE_PORT")]
PublicUrl = Annotated[
    str | None,
    typer.Option(
        help="Where clients reach the data port, as endpoints show it: http(s)://HOST[:PORT][/PATH]; else its address.",
        envvar="MAITRE_PUBLIC_URL",
    ),
]
AdminHost = Annotated[str, typer.Option(help="Address of the admin port.", envvar="MAITRE_ADMIN_HOST")]
AdminPort = Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.", envvar="MAITRE_ADMIN_PORT")]
AdminTokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the token of the admin port; else admin-token in the state directory, made at the first start.",
        envvar="MAITRE_ADMIN_TOKEN_FILE",
    ),
]
Workers = Annotated[
    str,
    typer.Option(
        help="Processes that take requests: a number, or auto for as many as are needed, up to the cores.",
        envvar="MAITRE_WORKERS",
    ),
]
CoordinationKeyFile = Annotated[
    Path | None,
    typer.Option(
        help="A key that all routers of the cluster share, to share out slots; without it each uses all of them.",
        envvar="MAITRE_COORDINATION_KEY_FILE",
    ),
]
CoordinationHost = Annotated[
    str, typer.Option(help="Address of the coordination port.", envvar="MAITRE_COORDINATION_HOST")
]
CoordinationPort = Annotated[
    int, typer.Option(min=0, max=65535, help="0 picks a free one.", envvar="MAITRE_COORDINATION_PORT")
]
CoordinationAdvertise = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT at which other routers reach it, if it is another.", envvar="MAITRE_COORDINATION_ADVERTISE"
    ),
]
RoutingTime = Annotated[
    float,
    typer.Option(
        "--routing-time-ms",
        min=0.001,
        help="Above it (queueing for a slot excluded) the router gets more workers, then more pods.",
        envvar="MAITRE_ROUTING_TIME_MS",
    ),
]
MinRouterPods = Annotated[int, typer.Option(min=1, help="Pods of the router.", envvar="MAITRE_MIN_ROUTER_PODS")]
MaxRouterPods = Annotated[
    int,
    typer.Option(min=0, help="Pods of the router; 0: their number is left alone.", envvar="MAITRE_MAX_ROUTER_PODS"),
]
OwnWorkload = Annotated[
    str | None,
    typer.Option(help="KIND/NAME whose pods the routers are, in their namespace.", envvar="MAITRE_OWN_WORKLOAD"),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of the certificate and its chain; read again when it changes.", envvar="MAITRE_TLS_CERT"
    ),
]
TlsKey = Annotated[Path | None, typer.Option(help="PEM file of its private key.", envvar="MAITRE_TLS_KEY")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of the authorities of client certificates; absent: not asked for.", envvar="MAITRE_TLS_CLIENT_CA"
    ),
]
TlsClientAuth = Annotated[
    ClientAuth | None,
    typer.Option(
        help="Whether a client needs a certificate; required is the default.", envvar="MAITRE_TLS_CLIENT_AUTH"
    ),
]
AdminTls = Annotated[
    bool | None,
    typer.Option(
        "--admin-tls/--no-admin-tls",
        help="TLS on the admin port, with the same certificate; by default unless it is bound to loopback.",
        envvar="MAITRE_ADMIN_TLS",
    ),
]
StateDir = Annotated[
    Path, typer.Option(help="Where made keys and the admin token are kept.", envvar="MAITRE_STATE_DIR")
]
Level = Annotated[LogLevel, typer.Option(help="Of the log on standard error.", envvar="MAITRE_LOG_LEVEL")]
AccessLog = Annotated[
    str | None,
    typer.Option(help="A file, or - for standard output: a JSON line per request.", envvar="MAITRE_ACCESS_LOG"),
]
DevTest = Annotated[bool, typer.Option(help="Count, but never scale.", envvar="MAITRE_DEV_TEST")]
DrainSeconds = Annotated[
    float, typer.Option(min=0, help="How long running requests may take at the end.", envvar="MAITRE_DRAIN_SECONDS")
]
MaxHeadBytes = Annotated[int, typer.Option(min=1024, help="Of a request's head.", envvar="MAITRE_MAX_HEAD_BYTES")]
MaxHeaders = Annotated[int, typer.Option(min=1, help="Header lines of a request.", envvar="MAITRE_MAX_HEADERS")]
MaxBodyBytes = Annotated[int, typer.Option(min=0, help="Of a request's body.", envvar="MAITRE_MAX_BODY_BYTES")]
MaxConnections = Annotated[int, typer.Option(min=1, help="Of clients, per worker.", envvar="MAITRE_MAX_CONNECTIONS")]
HeadTimeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds for a request's head.", envvar="MAITRE_HEAD_TIMEOUT")
]
IdleTimeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds between requests of a client.", envvar="MAITRE_IDLE_TIMEOUT")
]
TunnelIdleTimeout = Annotated[
    float,
    typer.Option(min=0.1, help="Seconds without a byte on a WebSocket.", envvar="MAITRE_TUNNEL_IDLE_TIMEOUT"),
]
MinRate = Annotated[
    int,
    typer.Option(min=0, help="Bytes per second that a body must come, an answer be taken.", envvar="MAITRE_MIN_RATE"),
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(help="CIDR; x-forwarded-* from there is kept. Repeatable.", envvar="MAITRE_TRUSTED_PROXIES"),
]


def serve(
    config: Config = None,
    kubernetes: Kubernetes = False,
    namespace: Namespaces = None,
    default_namespace: DefaultNamespace = None,
    pod_name: PodName = None,
    pod_uid: PodUid = None,
    pod_namespace: PodNamespace = None,
    host: Host = "0.0.0.0",  # noqa: S104  see Settings.host
    port: Port = 8080,
    public_url: PublicUrl = None,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = 8081,
    admin_token_file: AdminTokenFile = None,
    workers: Workers = "auto",
    coordination_key_file: CoordinationKeyFile = None,
    coordination_host: CoordinationHost = COORDINATION.host,
    coordination_port: CoordinationPort = COORDINATION.port,
    coordination_advertise: CoordinationAdvertise = None,
    routing_time_ms: RoutingTime = ROUTING_MS,
    min_router_pods: MinRouterPods = 1,
    max_router_pods: MaxRouterPods = 0,
    own_workload: OwnWorkload = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    tls_client_auth: TlsClientAuth = None,
    admin_tls: AdminTls = None,
    state_dir: StateDir = default_state_dir(),  # noqa: B008  so that --help shows it
    log_level: Level = LogLevel.INFO,
    access_log: AccessLog = None,
    dev_test: DevTest = False,
    drain_seconds: DrainSeconds = 30.0,
    trusted_proxies: TrustedProxies = None,
    max_head_bytes: MaxHeadBytes = LIMITS.head_bytes,
    max_headers: MaxHeaders = LIMITS.header_lines,
    max_body_bytes: MaxBodyBytes = LIMITS.body_bytes,
    max_connections: MaxConnections = LIMITS.connections,
    head_timeout: HeadTimeout = LIMITS.head_s,
    idle_timeout: IdleTimeout = LIMITS.idle_s,
    tunnel_idle_timeout: TunnelIdleTimeout = LIMITS.tunnel_idle_s,
    min_rate: MinRate = LIMITS.rate,
) -> None:
    """Route, authenticate, split, queue and scale: on this machine, or in a cluster."""
    if (config is None) is not kubernetes:
        raise typer.BadParameter("say either --config FILE_OR_DIR or --kubernetes")
    if namespace and not kubernetes:
        raise typer.BadParameter("--namespace goes with --kubernetes")
    if admin_tls and tls_cert is None:
        raise typer.BadParameter("--admin-tls needs --tls-cert and --tls-key")
    coordination = _coordination(coordination_key_file, coordination_host, coordination_port, coordination_advertise)
    if coordination is not None and not kubernetes:
        raise typer.BadParameter("--coordination-key-file goes with --kubernetes")
    if max_router_pods and not kubernetes:
        raise typer.BadParameter("--max-router-pods goes with --kubernetes")
    if max_router_pods > 1 and coordination is None:
        raise typer.BadParameter("--max-router-pods above 1 needs --coordination-key-file: else each uses all slots")
    router_pods = _router_pods(own_workload, min_router_pods, max_router_pods) if max_router_pods else None
    settings = Settings(
        config=config,
        kubernetes=_kubernetes(namespace, pod_name, pod_uid, pod_namespace, coordination, router_pods)
        if kubernetes
        else None,
        default_namespace=default_namespace,
        host=host,
        port=port,
        public_url=_public_url(public_url),
        workers=_workers(workers),
        admin_host=admin_host,
        admin_port=admin_port,
        admin_token_file=admin_token_file,
        tls=_tls(tls_cert, tls_key, tls_client_ca, tls_client_auth, _on_admin(admin_tls, admin_host)),
        state_dir=state_dir,
        log_level=log_level.value,
        access_log=access_log,
        routing_time_ms=routing_time_ms,
        dev_test=dev_test,
        limits=ClientLimits(
            head_bytes=max_head_bytes,
            header_lines=max_headers,
            body_bytes=max_body_bytes,
            connections=max_connections,
            head_s=head_timeout,
            idle_s=idle_timeout,
            tunnel_idle_s=tunnel_idle_timeout,
            rate=min_rate,
        ),
        drain_seconds=drain_seconds,
        trusted_proxies=tuple(_network(text) for text in trusted_proxies or ()),
    )
    _run(settings)


def _run(settings: Settings) -> None:
    # the server's imports cost a second that --help and the other commands should not pay
    import uvloop  # noqa: PLC0415

    from router.errors import MaitreError  # noqa: PLC0415
    from router.main import serve as serve_until_stopped  # noqa: PLC0415
    from router.model.problems import ConfigurationRefused  # noqa: PLC0415
    from router.telemetry.logs import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level)
    try:
        uvloop.run(serve_until_stopped(settings, _say_ready))
    except ConfigurationRefused as refused:
        for problem in refused.problems:
            typer.echo(problem, err=True)
        typer.echo("maitre: nothing to serve; mend the configuration and start again", err=True)
        raise typer.Exit(1) from None
    except (OSError, MaitreError) as error:
        typer.echo(f"maitre: {error}", err=True)
        raise typer.Exit(1) from None


def _say_ready(line: str) -> None:
    print(line, flush=True)  # noqa: T201  the one line on standard output


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise typer.BadParameter(f"--workers is auto or a number from 1 to {MOST_WORKERS}, not {text!r}")
    return int(text)


def _kubernetes(
    namespaces: list[str] | None,
    pod_name: str | None,
    pod_uid: str | None,
    pod_namespace: str | None,
    coordination: CoordinationSettings | None,
    router_pods: RouterPodsSettings | None,
) -> KubernetesSettings:
    return KubernetesSettings(
        namespaces=tuple(dict.fromkeys(namespaces or ())),
        pod=pod_name or socket.gethostname(),
        pod_uid=pod_uid or None,
        own_namespace=pod_namespace,
        coordination=coordination,
        router_pods=router_pods,
    )


def _router_pods(workload: str | None, fewest: int, most: int) -> RouterPodsSettings:
    if workload is None:
        raise typer.BadParameter("--max-router-pods needs --own-workload KIND/NAME, whose pods the routers are")
    if most < fewest:
        raise typer.BadParameter(f"--max-router-pods {most} is less than --min-router-pods {fewest}")
    try:
        return RouterPodsSettings(WorkloadName.parse(workload), fewest, most)
    except ValueError as error:
        raise typer.BadParameter(f"--own-workload: {error}") from None


def _coordination(key_file: Path | None, host: str, port: int, advertise: str | None) -> CoordinationSettings | None:
    if key_file is None:
        return None
    if advertise is not None and not _is_address(advertise):
        raise typer.BadParameter(f"--coordination-advertise is HOST:PORT, not {advertise!r}")
    if advertise is None and _is_wildcard(host):
        raise typer.BadParameter(f"--coordination-host {host} needs --coordination-advertise: others cannot reach that")
    return CoordinationSettings(key_file, host, port, advertise)


def _tls(
    cert: Path | None, key: Path | None, client_ca: Path | None, client_auth: ClientAuth | None, admin: bool
) -> TlsSettings | None:
    if client_auth is not None and client_ca is None:
        raise typer.BadParameter("--tls-client-auth needs --tls-client-ca with the authorities to trust")
    if client_ca is not None and cert is None:
        raise typer.BadParameter("--tls-client-ca needs --tls-cert and --tls-key")
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise typer.BadParameter("--tls-cert and --tls-key go together: a certificate and its private key")
    return TlsSettings(cert, key, client_ca, client_auth is not ClientAuth.OPTIONAL, admin)


def _on_admin(wish: bool | None, host: str) -> bool:
    """Credentials go over the admin port: in the clear only where nobody else can listen, unless told otherwise."""
    return not _is_loopback(host) if wish is None else wish


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 1 <= int(port) <= 65535


def _public_url(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in text:
        raise typer.BadParameter(f"--public-url is http(s)://HOST[:PORT][/PATH], not {text!r}")
    return text.rstrip("/")


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise typer.BadParameter(f"--trusted-proxies: {error}") from None
