"""All that is served: live endpoints, kept equal to the configuration in force.

`apply` is the one way in. It compares the new configuration with what is live, creates what is new, changes what
changed in place, lets go what is gone, and has the workers serve it (`crew`, and there `front`). Implements the metrics
page's `Source`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from autoscaler.loop import AutoscalerLoop
from router.model.rules import shares
from router.model.spec import EndpointKey, KeySource
from router.serving.messages import Served, Source
from router.serving.support import limitations
from router.serving.version import LiveVersion, Surroundings, VersionOwner
from router.store.configuration import Configuration, Origin
from router.telemetry.counters import EndpointTotals
from router.telemetry.source import Counts

log = logging.getLogger("maitre.serving")


class LiveEndpoint:
    """One endpoint, live. `label` is its name in URLs and metrics."""

    def __init__(self, key: EndpointKey, label: str, metrics: Counts[EndpointTotals]) -> None:
        self.key = key
        self.label = label
        self.metrics = metrics
        self.versions: dict[str, LiveVersion] = {}
        self.source: Source | None = None


class Issuers(Protocol):
    """Who fetches the keys of outside issuers."""

    def want(self, sources: Iterable[KeySource]) -> None:
        """These are all that endpoints name."""

    def problems(self) -> tuple[str, ...]: ...


class Fleet:
    def __init__(
        self,
        around: Surroundings,
        autoscaler: AutoscalerLoop,
        issuers: Issuers,
        default_namespace: str = "default",
    ) -> None:
        self._around = around
        self._issuers = issuers
        self._autoscaler = autoscaler
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
        removed = [key for key in self._endpoints if key not in catalogue.endpoints]
        for key in removed:
            gone = self._endpoints.pop(key)
            del self._by_label[gone.label]
            for version in gone.versions.values():
                self._let_go(version)
            log.info("endpoint removed", extra={"fields": {"endpoint": gone.label}})
            self._around.happened("configuration", key, state="removed")
        sources = (
            Source(endpoint, configuration.keys.get(key), catalogue.directories[key])
            for key, endpoint in catalogue.endpoints.items()
        )
        put = [served for source in sources if (served := self._keep(source)) is not None]
        self._judge(configuration)
        self.configured = self.configured or bool(self._endpoints) or not configuration.problems
        if put or removed:
            self._around.crew.configure(put, removed)
        for served in put:
            self._follow(self._endpoints[served.source.endpoint.key], served.source)
        tokens = (endpoint.spec.auth.token for endpoint in catalogue.endpoints.values())
        self._issuers.want(token.key_source for token in tokens if token is not None)

    async def close(self, drain_s: float) -> None:
        """Ends all replicas, after their running requests or `drain_s`."""
        versions = [version for endpoint in self._endpoints.values() for version in endpoint.versions.values()]
        await asyncio.gather(*(version.close(drain_s) for version in versions), *self._leaving)

    # -- for the metrics page and the health paths ------------------------------------------------------------------

    @property
    def unrouted(self) -> Counts[EndpointTotals]:
        return self._around.crew.counted("")

    async def refresh(self) -> None:
        await self._around.crew.ship()

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
        """Of the newest configuration; and of certificates and issuers, which may come and go without a new one."""
        return (*self._problems, *self._around.premises.certificates.problems(), *self._issuers.problems())

    def config_problems(self) -> int:
        return len(self.problems())

    def _judge(self, configuration: Configuration) -> None:
        """Notes what is refused, and tells what is so only now. Of files it is not known which endpoint is meant."""
        problems = tuple(map(str, configuration.problems))
        told, self._problems = set(self._problems), problems
        before, self.origins = self.origins, configuration.origins
        for key, origin in self.origins.items():
            known = before.get(key)
            if origin.problems and (known is None or known.problems != origin.problems):
                self._around.happened("configuration", key, state="refused", problems=[str(p) for p in origin.problems])
        of_resources = {str(problem) for origin in self.origins.values() for problem in origin.problems}
        if new := [problem for problem in problems if problem not in told and problem not in of_resources]:
            self._around.happened("configuration", None, state="refused", problems=new)

    # -- reconciliation ---------------------------------------------------------------------------------------------

    def _keep(self, source: Source) -> Served | None:
        """What the workers are to serve of this endpoint; None when they do already."""
        endpoint = source.endpoint
        live = self._endpoints.get(endpoint.key)
        if live is None:
            label = self._label(endpoint.key)
            live = LiveEndpoint(endpoint.key, label, self._around.crew.counted(label))
            self._endpoints[live.key] = self._by_label[live.label] = live
        if live.source == source:
            return None
        live.source = source
        for sentence in limitations(endpoint, in_cluster=self._around.premises.cluster is not None):
            log.warning(sentence, extra={"fields": {"endpoint": live.label}})
        self._keep_versions(live, source)
        log.info("endpoint in force", extra={"fields": {"endpoint": live.label, "versions": ",".join(live.versions)}})
        self._around.happened("configuration", live.key, state="in_force", versions=list(live.versions))
        return Served(live.label, source, {name: version.group for name, version in live.versions.items()})

    def _keep_versions(self, live: LiveEndpoint, source: Source) -> None:
        spec = source.endpoint.spec
        wanted = {version.name: version for version in spec.versions}
        for name in [name for name in live.versions if name not in wanted]:
            self._let_go(live.versions.pop(name))
        kept = live.versions
        owner = VersionOwner(live.key, live.label, self.watch)
        live.versions = {
            name: kept[name] if name in kept else LiveVersion(owner, version, self._around)
            for name, version in wanted.items()
        }
        for name, percentile in shares(spec).items():
            live.versions[name].traffic_percentile = percentile

    def _follow(self, live: LiveEndpoint, source: Source) -> None:
        """Once the workers know the versions, they can be told of their replicas."""
        for version in source.endpoint.spec.versions:
            live.versions[version.name].apply(version, source.directory)
            self.watch(live.versions[version.name])

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

    def _label(self, key: EndpointKey) -> str:
        namespace, name = key
        return name if namespace == self._default_namespace else f"{name}.{namespace}"
