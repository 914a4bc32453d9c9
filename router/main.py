"""The composition root of `maitre serve`: settings become objects, objects become servers; start, drain, stop.

Everything is made here and handed to what needs it; nothing finds its collaborators by itself. The order of the end is
the reverse of the beginning: first nobody new gets in, then running requests finish, then replicas end, then the rest.

Called by `router.cli.serve`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from autoscaler.frontend import FrontendSettings
from autoscaler.frontend_loop import FrontendLoop
from autoscaler.loop import AutoscalerLoop
from router import __version__
from router.admin.api import Parts, api_routes
from router.admin.app import build_app
from router.admin.audit import Audit
from router.admin.health import Phase
from router.admin.server import AdminServer
from router.discovery.ports import Ports
from router.discovery.race import first_of
from router.discovery.readiness import Prober
from router.discovery.warden import Warden
from router.discovery.watchlist import Watchlist
from router.model.problems import ConfigurationRefused, Problem
from router.proxy.listener import bind
from router.serving.admin_status import LiveStatuses
from router.serving.administration import Administration, Store, of_cluster, of_files
from router.serving.crew import Crew
from router.serving.events import EventRing
from router.serving.fleet import Fleet
from router.serving.frontend_scaling import FrontendScaling
from router.serving.replicas import Premises
from router.serving.router_loads import RouterLoads
from router.serving.scaling import ScaleRecorder
from router.serving.telling import tell_nobody
from router.serving.version import Surroundings
from router.serving.version_logs import VersionLogs
from router.serving.worker import served_by, settle_memory
from router.serving.workforce import WorkerTerms, workforce_of
from router.settings import Settings, TlsSettings
from router.store.certificates import Certificates, Kept
from router.store.configuration import Configuration
from router.store.contexts import Served
from router.store.issuers import Issuers
from router.store.kept_key_sets import KeptKeySets
from router.store.key_fetcher import KeyFetcher
from router.store.token_issuer import TokenIssuer
from router.telemetry.exposition import Exposition

if TYPE_CHECKING:
    from router.serving.cluster import Cluster

log = logging.getLogger("maitre")

ISSUERS_S: Final = 2.0
"""How long a start waits for the keys of outside issuers; they answer in a fraction of it, or are down."""


class Health:
    """What the health paths say."""

    def __init__(self, fleet: Fleet, cluster: Cluster | None) -> None:
        self.phase = Phase.STARTING
        self._fleet = fleet
        self._cluster = cluster

    @property
    def configured(self) -> bool:
        return self._fleet.configured

    def problems(self) -> tuple[str, ...]:
        return self._fleet.problems()

    def cluster(self) -> Mapping[str, Any] | None:
        return None if self._cluster is None else self._cluster.detail()


async def serve(settings: Settings, ready: Callable[[str], None]) -> None:  # noqa: PLR0915  one list, top to bottom
    """Serves until SIGTERM or SIGINT; returns when everything has ended. `ready` is told the ready line.

    Raises ConfigurationRefused when nothing of the configuration can be served, CertificateRefused when its own
    certificate cannot, AdminTokenRefused when its admin token cannot be used, ClusterUnknown when nothing says where
    the cluster is, OSError when a port is taken.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = _on_signals(loop)
    now = time.monotonic
    async with AsyncExitStack() as last:
        certificates = Certificates()
        served = served_by(settings, certificates)
        cluster = _cluster(settings, loop, now, last)
        administration = _administration(settings, cluster)
        configuration = await _configuration(administration.store) if cluster is None else None

        warden = Warden()
        if cluster is None:
            await warden.start()
            last.push_async_callback(warden.close)
        prober = Prober()
        last.push_async_callback(prober.close)
        watchlist = Watchlist(prober)
        last.push_async_callback(watchlist.close)

        tell = tell_nobody if cluster is None else cluster.notices.tell
        events = EventRing()
        recorder = ScaleRecorder(tell, events.happened)
        autoscaler = AutoscalerLoop(recorder, now, asyncio.sleep)
        crew = Crew(loop, now, autoscaler.trigger)
        last.callback(crew.close)
        loads = RouterLoads(lambda: workforce.size, settings.workers)
        if cluster is not None:
            cluster.coordinate(crew, loads)
        default_namespace = settings.default_namespace or ("default" if cluster is None else cluster.namespace)
        terms = WorkerTerms(settings, default_namespace, now, crew, warden, certificates, served, loads)
        workforce = workforce_of(terms, last)
        admin_socket = bind(settings.admin_host, settings.admin_port)
        last.callback(admin_socket.close)
        scaling = FrontendScaling()
        own_pods = None if cluster is None else cluster.own_pods
        frontend = FrontendLoop(_frontend(settings), workforce, own_pods, loads, scaling, now, asyncio.sleep)
        premises = Premises(warden, Ports(), prober, watchlist, certificates, settings.drain_seconds, cluster)
        around = Surroundings(loop, now, premises, crew, settings.dev_test, tell, events.happened)
        fetcher = KeyFetcher()
        last.push_async_callback(fetcher.close)
        issuers = Issuers(fetcher, KeptKeySets(settings.state_dir), crew.issuer_keys)
        crew.ask_for_keys(issuers.unknown_key)
        fleet = Fleet(around, autoscaler, issuers, default_namespace)
        recorder.attach(fleet)
        health = Health(fleet, cluster)
        exposition = Exposition(
            fleet,
            lambda: crew.clients,
            __version__,
            lambda: certificates.expiry,
            lambda: None if cluster is None else cluster.reading(),
            workforce.reading,
            lambda: scaling.reading(frontend.last),
        )
        last.callback(exposition.close)
        parts = Parts(
            administration.writer,
            administration.gate,
            Audit(),
            LiveStatuses(
                fleet, lambda: settings.public_url or _data_url(settings, workforce.port), administration.conditions
            ),
            TokenIssuer(administration.writer),
            events,
            VersionLogs(fleet),
        )
        app = build_app(health, exposition.render, api_routes(parts, default_namespace))
        admin = AdminServer(app, [admin_socket], tls=_admin_context(settings.tls, served))

        async with asyncio.TaskGroup() as tasks:
            await admin.start()
            running = autoscaler.run() if cluster is None else cluster.run(fleet, autoscaler.run)
            background = [
                tasks.create_task(running, name="autoscaler" if cluster is None else "cluster"),
                tasks.create_task(certificates.watch(), name="certificates"),
                tasks.create_task(issuers.run(), name="issuers"),
            ]
            beginning = tasks.create_task(
                _begin(administration.store, configuration, fleet, cluster, issuers), name="first configuration"
            )
            await first_of(beginning, tasks.create_task(stop.wait(), name="stop"))
            if stop.is_set():
                beginning.cancel()
            else:
                following = _follow(administration.store, fleet, cluster)
                background.append(tasks.create_task(following, name="configuration"))
                await workforce.start()
                background.append(tasks.create_task(workforce.tell_loads(), name="the router's load"))
                background.append(tasks.create_task(frontend.run(), name="the router's own size"))
                health.phase = Phase.SERVING
                settle_memory()
                ready(_ready_line(settings, workforce.port, admin.addresses[0][1]))

            await stop.wait()
            log.info("draining", extra={"fields": {"drain_seconds": settings.drain_seconds}})
            health.phase = Phase.DRAINING
            if cluster is not None:
                await cluster.release()
            await workforce.drain(settings.drain_seconds, hurry)
            if cluster is not None:
                cluster.goodbye()
            for task in background:
                task.cancel()
            await fleet.close(0.0)
            events.close()
            await admin.stop()
    log.info("stopped")


def _cluster(
    settings: Settings, loop: asyncio.AbstractEventLoop, now: Callable[[], float], last: AsyncExitStack
) -> Cluster | None:
    if settings.kubernetes is None:
        return None
    # the client's imports cost a quarter of a second that a router of files should not pay
    from router.serving.cluster import Cluster  # noqa: PLC0415

    cluster = Cluster(settings.kubernetes, loop, now, dry_run=settings.dev_test)
    last.push_async_callback(cluster.close)
    return cluster


def _administration(settings: Settings, cluster: Cluster | None) -> Administration:
    if cluster is not None:
        return of_cluster(cluster, settings)
    assert settings.config is not None  # noqa: S101  the one or the other
    return of_files(settings.config, settings)


async def _configuration(store: Store) -> Configuration:
    """What is in the files, which are read before anything is begun. Raises ConfigurationRefused."""
    configuration = await store.load()
    if configuration.problems and not configuration.catalogue.endpoints:
        raise ConfigurationRefused(configuration.problems)
    return configuration


async def _begin(
    store: Store, configuration: Configuration | None, fleet: Fleet, cluster: Cluster | None, issuers: Issuers
) -> None:
    """Brings the first configuration into force; in a cluster, when the API server has told it."""
    configuration = configuration or await store.load()
    fleet.apply(configuration)
    for problem in configuration.problems:
        log.error("configuration problem", extra={"fields": {"problem": str(problem)}})
    await issuers.settled(ISSUERS_S)
    if cluster is not None:
        cluster.configured(configuration)
        await cluster.settle()


async def _follow(store: Store, fleet: Fleet, cluster: Cluster | None) -> None:
    """Brings every change of the configuration into force, or says why not: each problem once, while it lasts."""
    told: set[Problem] = set()
    async for configuration in store.changes():
        fleet.apply(configuration)
        for problem in configuration.problems:
            if problem not in told:
                fields = {"problem": str(problem)}
                log.error("configuration refused; the last good one stays", extra={"fields": fields})
        told = set(configuration.problems)
        if not configuration.problems:
            log.info("configuration in force", extra={"fields": {"endpoints": len(configuration.catalogue.endpoints)}})
        if cluster is not None:
            cluster.configured(configuration)


def _frontend(settings: Settings) -> FrontendSettings:
    pods = None if settings.kubernetes is None else settings.kubernetes.router_pods
    return FrontendSettings(
        routing_ms=settings.routing_time_ms,
        fewest_workers=settings.workers or 1,
        fewest_pods=1 if pods is None else pods.fewest,
        most_pods=None if pods is None else pods.most,
        dry_run=settings.dev_test,
    )


def _on_signals(loop: asyncio.AbstractEventLoop) -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first SIGTERM or SIGINT: stop; by the second: do not wait for anybody."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # it replaces workers, where there are any beside this process
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    return stop, hurry


def _admin_context(tls: TlsSettings | None, served: Kept[Served] | None) -> Callable[[], ssl.SSLContext] | None:
    return (lambda: served.get().admin) if tls is not None and tls.admin and served is not None else None


def _ready_line(settings: Settings, port: int, admin_port: int) -> str:
    tls, data = settings.tls, _data_url(settings, port)
    admin = _url(tls is not None and tls.admin, settings.admin_host, admin_port)
    return f"maitre ready: data {data} admin {admin}"


def _data_url(settings: Settings, port: int) -> str:
    return _url(settings.tls is not None, settings.host, port)


def _url(tls: bool, host: str, port: int) -> str:
    """A URL that works on this machine: a wildcard address is reached by loopback."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if tls else 'http'}://{shown}:{port}"
