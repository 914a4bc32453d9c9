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
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol

from autoscaler.frontend import FrontendSettings
from autoscaler.frontend_loop import FrontendLoop
from autoscaler.loop import AutoscalerLoop
from router import __version__
from router.admin.app import build_app
from router.admin.health import Phase
from router.admin.server import AdminServer
from router.discovery.ports import Ports
from router.discovery.race import first_of
from router.discovery.readiness import Prober
from router.discovery.warden import Warden
from router.discovery.watchlist import Watchlist
from router.model.problems import ConfigurationRefused, Problem
from router.proxy.listener import bind
from router.serving.crew import Crew
from router.serving.fleet import Fleet
from router.serving.frontend_scaling import FrontendScaling
from router.serving.replicas import Premises
from router.serving.router_loads import RouterLoads
from router.serving.scaling import ScaleRecorder
from router.serving.telling import tell_nobody
from router.serving.version import Surroundings
from router.serving.worker import served_by, settle_memory
from router.serving.workforce import WorkerTerms, workforce_of
from router.settings import Settings, TlsSettings
from router.store.certificates import Certificates, Kept
from router.store.configuration import Configuration
from router.store.contexts import Served
from router.store.files import FileStore
from router.store.issuers import Issuers
from router.store.kept_key_sets import KeptKeySets
from router.store.key_fetcher import KeyFetcher
from router.store.keys import KeyFiles
from router.telemetry.exposition import Exposition

if TYPE_CHECKING:
    from router.serving.cluster import Cluster

log = logging.getLogger("maitre")

ISSUERS_S: Final = 2.0
"""How long a start waits for the keys of outside issuers; they answer in a fraction of it, or are down."""


class Store(Protocol):
    """Where endpoints come from."""

    async def load(self) -> Configuration:
        """What is to be served now."""

    def changes(self) -> AsyncIterator[Configuration]:
        """What is to be served after each change, until cancelled."""


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
    certificate cannot, ClusterUnknown when nothing says where the cluster is, OSError when a port is taken.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = _on_signals(loop)
    now = time.monotonic
    async with AsyncExitStack() as last:
        certificates = Certificates()
        served = served_by(settings, certificates)
        cluster = _cluster(settings, loop, now, last)
        store, configuration = await _configuration(settings, cluster)

        warden = Warden()
        if cluster is None:
            await warden.start()
            last.push_async_callback(warden.close)
        prober = Prober()
        last.push_async_callback(prober.close)
        watchlist = Watchlist(prober)
        last.push_async_callback(watchlist.close)

        tell = tell_nobody if cluster is None else cluster.notices.tell
        recorder = ScaleRecorder(tell)
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
        around = Surroundings(loop, now, premises, crew, settings.dev_test, tell)
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
        app = build_app(health, exposition.render)
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
                _begin(store, configuration, fleet, cluster, issuers), name="first configuration"
            )
            await first_of(beginning, tasks.create_task(stop.wait(), name="stop"))
            if stop.is_set():
                beginning.cancel()
            else:
                background.append(tasks.create_task(_follow(store, fleet, cluster), name="configuration"))
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


async def _configuration(settings: Settings, cluster: Cluster | None) -> tuple[Store, Configuration | None]:
    """Where endpoints come from, and what is there: files are read before anything is begun. Raises
    ConfigurationRefused."""
    if cluster is not None or settings.config is None:
        assert cluster is not None  # noqa: S101  the one or the other
        return cluster.store, None
    store = FileStore(settings.config, KeyFiles(settings.state_dir))
    configuration = await store.load()
    if configuration.problems and not configuration.catalogue.endpoints:
        raise ConfigurationRefused(configuration.problems)
    return store, configuration


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
    tls = settings.tls
    data = _url(tls is not None, settings.host, port)
    admin = _url(tls is not None and tls.admin, settings.admin_host, admin_port)
    return f"maitre ready: data {data} admin {admin}"


def _url(tls: bool, host: str, port: int) -> str:
    """A URL that works on this machine: a wildcard address is reached by loopback."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if tls else 'http'}://{shown}:{port}"
