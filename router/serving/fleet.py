"""All that is served: live endpoints, kept equal to the configuration in force, and the route table made of them.

`apply` is the one way in. It compares the new configuration with what is live, creates what is new, changes what
changed in place, lets go what is gone, and then replaces the data plane's route table by one assignment: a request
sees the old table or the new one, never a mixture. Implements the metrics page's `Source`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from autoscaler.loop import AutoscalerLoop
from router.core.cors import CorsPolicy
from router.core.credentials import KeyRing, Nobody, NoCredentials
from router.core.routes import Credentials, EndpointRoute, RouteTable
from router.core.traffic import Split
from router.model.rules import default_version, shares
from router.model.spec import EndpointKey, ScoringEndpoint
from router.serving.support import limitations
from router.serving.version import LiveVersion, Surroundings, VersionOwner
from router.store.configuration import Configuration, Origin
from router.store.keys import KeyPair
from router.telemetry.counters import EndpointMetrics

log = logging.getLogger("maitre.serving")


class Source(NamedTuple):
    """What a live endpoint was made from."""

    endpoint: ScoringEndpoint
    keys: KeyPair | None
    directory: Path


class LiveEndpoint:
    """One endpoint, live. `label` is its name in URLs and metrics."""

    def __init__(self, key: EndpointKey, label: str) -> None:
        self.key = key
        self.label = label
        self.metrics = EndpointMetrics()
        self.versions: dict[str, LiveVersion] = {}
        self.source: Source | None = None
        self.route: EndpointRoute | None = None


class Fleet:
    def __init__(
        self,
        around: Surroundings,
        autoscaler: AutoscalerLoop,
        publish: Callable[[RouteTable], None],
        default_namespace: str = "default",
    ) -> None:
        self.unrouted = EndpointMetrics()
        self._around = around
        self._autoscaler = autoscaler
        self._publish = publish
        self._default_namespace = default_namespace
        self._endpoints: dict[EndpointKey, LiveEndpoint] = {}
        self._by_label: dict[str, LiveEndpoint] = {}
        self._problems: tuple[str, ...] = ()
        self.origins: Mapping[EndpointKey, Origin] = {}
        """Of the configuration in force: the resources that it was made from, also refused ones."""
        self._leaving: set[asyncio.Task[None]] = set()
        self.configured = False

    def apply(self, configuration: Configuration) -> None:
        """Serves this from now on."""
        catalogue = configuration.catalogue
        for key in [key for key in self._endpoints if key not in catalogue.endpoints]:
            gone = self._endpoints.pop(key)
            del self._by_label[gone.label]
            for version in gone.versions.values():
                self._let_go(version)
            log.info("endpoint removed", extra={"fields": {"endpoint": gone.label}})
        for key, endpoint in catalogue.endpoints.items():
            self._keep(endpoint, configuration.keys.get(key), catalogue.directories[key])
        self._problems = tuple(map(str, configuration.problems))
        self.origins = configuration.origins
        self.configured = self.configured or bool(self._endpoints) or not configuration.problems
        self._publish(self._table())

    async def close(self, drain_s: float) -> None:
        """Ends all replicas, after their running requests or `drain_s`."""
        versions = [version for endpoint in self._endpoints.values() for version in endpoint.versions.values()]
        await asyncio.gather(*(version.close(drain_s) for version in versions), *self._leaving)

    # -- for the metrics page and the health paths ------------------------------------------------------------------

    def endpoints(self) -> tuple[LiveEndpoint, ...]:
        return tuple(self._endpoints.values())

    def versions(self) -> tuple[LiveVersion, ...]:
        return tuple(version for endpoint in self._endpoints.values() for version in endpoint.versions.values())

    def endpoint(self, key: EndpointKey) -> LiveEndpoint | None:
        """By namespace and name; None for one that never was right."""
        return self._endpoints.get(key)

    def version(self, key: tuple[str, str]) -> LiveVersion | None:
        """By endpoint label and version name."""
        label, name = key
        live = self._by_label.get(label)
        return None if live is None else live.versions.get(name)

    def problems(self) -> tuple[str, ...]:
        """Those of the newest configuration, and of certificates, which may come and go without a new one."""
        return (*self._problems, *self._around.premises.certificates.problems())

    def config_problems(self) -> int:
        return len(self.problems())

    # -- reconciliation ---------------------------------------------------------------------------------------------

    def _keep(self, endpoint: ScoringEndpoint, keys: KeyPair | None, directory: Path) -> None:
        live = self._endpoints.get(endpoint.key)
        if live is None:
            live = LiveEndpoint(endpoint.key, self._label(endpoint.key))
            self._endpoints[live.key] = self._by_label[live.label] = live
        source = Source(endpoint, keys, directory)
        if live.source == source:
            return
        for sentence in limitations(endpoint, in_cluster=self._around.premises.cluster is not None):
            log.warning(sentence, extra={"fields": {"endpoint": live.label}})
        self._keep_versions(live, endpoint, directory)
        live.source = source
        live.route = self._compile(live, endpoint, keys)
        log.info("endpoint in force", extra={"fields": {"endpoint": live.label, "versions": ",".join(live.versions)}})

    def _keep_versions(self, live: LiveEndpoint, endpoint: ScoringEndpoint, directory: Path) -> None:
        timing = endpoint.spec.server_timing
        wanted = {version.name: version for version in endpoint.spec.versions}
        for name in [name for name in live.versions if name not in wanted]:
            self._let_go(live.versions.pop(name))
        kept = live.versions
        live.versions = {}
        for name, version in wanted.items():
            if name in kept:
                kept[name].apply(version, directory, timing)
                live.versions[name] = kept[name]
            else:
                owner = VersionOwner(live.key, live.label, self.watch)
                live.versions[name] = LiveVersion(owner, version, directory, self._around, timing)
            self.watch(live.versions[name])

    def watch(self, version: LiveVersion) -> None:
        """Has the autoscaler look after it, once there is a size to begin with; called again when that changes."""
        if version.scalable and not self._autoscaler.watches(version.key):
            self._autoscaler.add(version, version)
        elif not version.scalable:
            self._autoscaler.remove(version.key)

    def _let_go(self, version: LiveVersion) -> None:
        """No new request can reach it; its running ones finish before its replicas end."""
        self._autoscaler.remove(version.key)
        work = version.close(self._around.premises.drain_s)
        task = self._around.loop.create_task(work, name=f"end {version.endpoint}/{version.version}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _compile(self, live: LiveEndpoint, endpoint: ScoringEndpoint, keys: KeyPair | None) -> EndpointRoute:
        spec = endpoint.spec
        percentiles = shares(spec)
        for name, version in live.versions.items():
            version.traffic_percentile = percentiles.get(name, 0.0)
        routes = {name: version.route for name, version in live.versions.items()}
        return EndpointRoute(
            name=live.label,
            credentials=_credentials(endpoint, keys),
            versions=routes,
            split=Split(routes, percentiles, default_version(spec.versions).name),
            recorder=live.metrics,
            sticky_header=spec.sticky.header if spec.sticky else None,
            cors=CorsPolicy(spec.cors.allow_origins) if spec.cors else None,
            mirrors=[mirror for version in live.versions.values() if (mirror := version.mirror()) is not None],
        )

    def _table(self) -> RouteTable:
        by_name: dict[str, EndpointRoute] = {}
        by_host: dict[str, EndpointRoute] = {}
        for (namespace, name), live in self._endpoints.items():
            if live.route is None or live.source is None:
                continue
            by_name[f"{name}.{namespace}"] = live.route
            if namespace == self._default_namespace:
                by_name[name] = live.route
            by_host |= dict.fromkeys(live.source.endpoint.spec.hosts, live.route)
        return RouteTable(by_name, by_host)

    def _label(self, key: EndpointKey) -> str:
        namespace, name = key
        return name if namespace == self._default_namespace else f"{name}.{namespace}"


def _credentials(endpoint: ScoringEndpoint, keys: KeyPair | None) -> Credentials:
    match endpoint.spec.auth.mode:
        case "none":
            return NoCredentials()
        case "key" if keys is not None:
            return KeyRing(keys.primary, keys.secondary)
        case _:  # keys that could not be read, tokens that cannot be checked: closed, not open
            return Nobody()
