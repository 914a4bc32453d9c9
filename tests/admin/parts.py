"""The parts that the admin API asks, in memory: simple, honest, and able to be raced."""

import copy
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any

from router.admin.api import Parts
from router.admin.gate import Access, Caller, NotAllowed, NotIdentified
from router.admin.ports import Event
from router.errors import EndpointChanged, EndpointExists, EndpointUnknown, KeysUnknown, NoLogs, NoTokens, StoreFailed
from router.model import rules
from router.model.interpreting import endpoint_from
from router.model.problems import ConfigurationRefused, Problem, dotted
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.keys import KeyPair, new_pair
from router.store.writing import Resource, Stored

TOKEN = "admin-token-for-tests"
READER = "may-only-look"


class MemoryWriter:
    """Endpoints in a dictionary. `before_write` is called when a change is about to be kept: by it others get in
    between. `broken`: nothing can be kept or read."""

    def __init__(self) -> None:
        self._stored: dict[EndpointKey, Stored] = {}
        self._keys: dict[EndpointKey, KeyPair] = {}
        self._numbers = itertools.count(1)
        self.before_write: Callable[[], None] = lambda: None
        self.broken = False

    def put(self, resource: Resource) -> Stored:
        """What another one writes."""
        endpoint = endpoint_from(resource, "memory")
        self._require_unclaimed(endpoint)
        stored = Stored(endpoint.key, copy.deepcopy(dict(resource)), f"v{next(self._numbers)}")
        self._stored[stored.key] = stored
        return stored

    async def all(self) -> Sequence[Stored]:
        self._require_whole()
        return [self._stored[key] for key in sorted(self._stored)]

    async def read(self, key: EndpointKey) -> Stored | None:
        self._require_whole()
        return self._stored.get(key)

    async def create(self, resource: Resource) -> Stored:
        self._about_to_write()
        key = endpoint_from(resource, "memory").key
        if key in self._stored:
            raise EndpointExists(f"there is an endpoint {key[1]} in namespace {key[0]} already")
        return self.put(resource)

    async def replace(self, resource: Resource, etag: str | None) -> Stored:
        self._about_to_write()
        self._require_same(endpoint_from(resource, "memory").key, etag)
        return self.put(resource)

    async def delete(self, key: EndpointKey, etag: str | None) -> None:
        self._about_to_write()
        self._require_same(key, etag)
        del self._stored[key]
        self._keys.pop(key, None)

    async def keys(self, key: EndpointKey) -> KeyPair:
        auth = self._known(key).resource["spec"].get("auth", {})
        if auth.get("mode", "key") == "none" or "token" in auth:
            raise KeysUnknown(f"endpoint {key[1]} needs no keys")
        return self._keys.setdefault(key, new_pair())

    async def put_keys(self, key: EndpointKey, pair: KeyPair, before: KeyPair) -> None:
        self._about_to_write()
        if await self.keys(key) != before:
            raise EndpointChanged("the keys have changed")
        self._keys[key] = pair

    def _about_to_write(self) -> None:
        self._require_whole()
        self.before_write()

    def _require_whole(self) -> None:
        if self.broken:
            raise StoreFailed("the disk is full")

    def _known(self, key: EndpointKey) -> Stored:
        self._require_whole()
        if key not in self._stored:
            raise EndpointUnknown(f"there is no endpoint {key[1]} in namespace {key[0]}")
        return self._stored[key]

    def _require_same(self, key: EndpointKey, etag: str | None) -> None:
        if etag not in {None, self._known(key).etag}:
            raise EndpointChanged("the endpoint has changed since it was read")

    def _require_unclaimed(self, endpoint: ScoringEndpoint) -> None:
        others = [endpoint_from(each.resource, "memory") for each in self._stored.values() if each.key != endpoint.key]
        taken = {claim.what for other in others for claim in rules.claims(other)}
        own = list(rules.claims(endpoint))
        twice = [claim for at, claim in enumerate(own) if claim.what in taken | {each.what for each in own[:at]}]
        if twice:
            raise ConfigurationRefused(
                Problem("memory", None, dotted(each.path), None, f"{each.what} is taken already") for each in twice
            )


class ListGate:
    """TOKEN may do everything, READER may get, list and watch what is no credential; asked are kept."""

    def __init__(self) -> None:
        self.asked: list[Access] = []

    async def identify(self, bearer: str | None) -> Caller:
        if bearer not in {TOKEN, READER}:
            raise NotIdentified("send the admin token as a bearer token")
        return Caller("admin" if bearer == TOKEN else "reader")

    async def admit(self, caller: Caller, access: Access) -> None:
        self.asked.append(access)
        if caller.name == "reader" and (
            access.verb not in {"get", "list", "watch"} or access.part in {"keys", "token"}
        ):
            raise NotAllowed(f"reader may not {access.verb} scoringendpoints{access.part and '/' + access.part}")


class Ledger:
    """An audit that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def changed(
        self, caller: Caller, access: Access, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        self.told.append(("changed", caller.name, access.verb, (access.namespace, access.name), before, after))

    def keys_made(self, caller: Caller, access: Access, which: Iterable[str]) -> None:
        self.told.append(("keys", caller.name, access.verb, (access.namespace, access.name), tuple(which)))

    def token_issued(self, caller: Caller, access: Access) -> None:
        self.told.append(("token", caller.name, access.verb, (access.namespace, access.name)))

    def refused(self, caller: Caller, access: Access, reason: str) -> None:
        self.told.append(("refused", caller.name, access.verb, (access.namespace, access.name), reason))


class Known:
    """Statuses of endpoints that are served."""

    def __init__(self) -> None:
        self.statuses: dict[EndpointKey, Mapping[str, Any]] = {}

    def status(self, key: EndpointKey) -> Mapping[str, Any] | None:
        return self.statuses.get(key)


class Issuer:
    """A token for each endpoint of the writer that wants one."""

    def __init__(self, writer: MemoryWriter) -> None:
        self._writer = writer

    async def issue(self, key: EndpointKey, expires_in_s: int) -> Mapping[str, Any]:
        mode = self._writer._known(key).resource["spec"].get("auth", {}).get("mode", "key")
        if mode != "token":
            raise NoTokens(f"endpoint {key[1]} has auth.mode {mode}: tokens are for auth.mode token")
        return {"access_token": "t", "refresh_after": 10, "expiry_on": expires_in_s, "token_type": "Bearer"}


class NothingHappens:
    """A feed without events, that has ended."""

    def subscribe(self, _after: int | None) -> "NothingHappens":
        return self

    async def next(self) -> Event | None:
        return None

    async def ended(self) -> None:
        return

    def close(self) -> None:
        return


class Printed:
    """What each version has printed; those that are not here print elsewhere."""

    def __init__(self) -> None:
        self.of: dict[tuple[EndpointKey, str], list[str]] = {}

    def lines(self, key: EndpointKey, version: str, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        if (key, version) not in self.of:
            raise NoLogs("its replicas are no processes of this router; see kubectl logs")
        return self._lines(self.of[key, version], tail)

    async def _lines(self, lines: list[str], tail: int) -> AsyncGenerator[str, None]:
        for line in lines[len(lines) - min(tail, len(lines)) :]:
            yield line


def parts(writer: MemoryWriter) -> Parts:
    return Parts(writer, ListGate(), Ledger(), Known(), Issuer(writer), NothingHappens(), Printed())


def endpoint(name: str = "digits", *versions: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A resource that is right; every version gets a target of its own."""
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**spec, "versions": [version(each) for each in versions or ("blue",)]},
    }


def version(name: str, **says: Any) -> dict[str, Any]:
    return {"name": name, "target": {"urls": ["http://127.0.0.1:5001"]}, **says}
