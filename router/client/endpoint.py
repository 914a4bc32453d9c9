"""An endpoint as an object: what it looks like now, and what can be done with it. Made by `Maitre`.

Every change carries the etag that the object has seen: where somebody else was faster it raises `Changed` and changes
nothing; `refresh()` sees the new state, and the caller decides again. Names are those of AksEndpoint and AksWebservice
where it has the same thing; settings are named as in `settings.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Literal, Unpack

from router.client.admin_api import AdminApi, Name, Shown
from router.client.driving import Awaiting, AwaitingIo, Blocking, BlockingIo, operation, streaming
from router.client.errors import Exists
from router.client.scoring import Access, answer, find_access, find_address, score, scoring
from router.client.settings import EndpointSettings, VersionSettings, endpoint_patch, new_version, version_patch
from router.client.steps import Request, Steps
from router.client.values import AccessToken, Answer, Keys, Status
from router.client.waiting import wait_until_able


class EndpointCore:
    """What both kinds of endpoint can do. All of it may raise ClientError."""

    def __init__(self, api: AdminApi, shown: Shown, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._shown = shown
        self._access: Access | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, versions={list(self.versions)}, etag={self.etag})"

    @property
    def name(self) -> str:
        return str(self._shown.resource["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        namespace: str | None = self._shown.resource["metadata"].get("namespace")
        return namespace

    @property
    def etag(self) -> str:
        """Of the state that this object shows; quoted, as HTTP has it."""
        return self._shown.etag

    @property
    def versions(self) -> dict[str, dict[str, Any]]:
        """By name, as the user wrote them."""
        return {each["name"]: deepcopy(each) for each in self._shown.resource["spec"]["versions"]}

    def serialize(self) -> dict[str, Any]:
        """The resource as it was last seen, without defaults: what a file, or `kubectl apply`, takes."""
        return deepcopy(self._shown.resource)

    @operation
    def refresh(self) -> Steps[None]:
        """Reads it again, and forgets the credential for `run`."""
        self._access = None
        self._shown = yield from self._api.show(self._which)

    @operation
    def update(self, **settings: Unpack[EndpointSettings]) -> Steps[None]:
        """Changes what is said, and nothing else."""
        patch = {"spec": endpoint_patch(settings)}
        self._shown = yield from self._api.patch(self._which, patch, self.etag)

    @operation
    def patch(self, patch: Mapping[str, Any]) -> Steps[None]:
        """Changes it by a merge patch of the resource (RFC 7386): null removes, lists are replaced whole."""
        self._shown = yield from self._api.patch(self._which, patch, self.etag)

    @operation
    def replace(self, resource: Mapping[str, Any]) -> Steps[None]:
        """Has it look like this from now on."""
        self._shown = yield from self._api.put(self._which, resource, self.etag)

    @operation
    def delete(self) -> Steps[None]:
        """With all its versions; keys that maitre made for it go too."""
        yield from self._api.delete(self._which, self.etag)

    @operation
    def create_version(self, version_name: str, **settings: Unpack[VersionSettings]) -> Steps[None]:
        """Adds a version, the sixth at most. Raises Exists."""
        version = new_version(version_name, settings)
        if version_name in self.versions:  # with the etag this is exact: nobody else has changed it since
            words = f"{self.name} has a version {version_name} already; update_version changes it"
            raise Exists(words, code="exists", status=409)
        self._shown = yield from self._api.put_version(self._which, version, self.etag)

    @operation
    def update_version(self, version_name: str, **settings: Unpack[VersionSettings]) -> Steps[None]:
        """Changes what is said of a version, and nothing else. Raises NotFound."""
        patch = version_patch(settings)
        self._shown = yield from self._api.patch_version(self._which, version_name, patch, self.etag)

    @operation
    def delete_version(self, version_name: str, new_default: str | None = None) -> Steps[None]:
        """Raises Conflict for the default version while others stand, unless `new_default` names the next one, and for
        the last version, which goes with the endpoint."""
        yield from self._api.delete_version(self._which, version_name, new_default, self.etag)
        self._shown = yield from self._api.show(self._which)

    @operation
    def get_keys(self) -> Steps[Keys]:
        """Primary and secondary. Raises Conflict where the endpoint has no keys."""
        return (yield from self._api.keys(self._which))

    @operation
    def regen_key(
        self, key: Literal["primary", "secondary", "Primary", "Secondary"], set_key: str | None = None
    ) -> Steps[Keys]:
        """Has one key replaced, by `set_key` or by a random one; the other one works on."""
        self._access = None
        return (yield from self._api.regenerate(self._which, key.lower(), set_key))

    @operation
    def get_token(self, expires_in_seconds: int | None = None) -> Steps[AccessToken]:
        """A token to score with, 60 to 86,400 s; else 12 h. Raises Conflict where the endpoint issues none."""
        return (yield from self._api.token(self._which, expires_in_seconds))

    @operation
    def status(self) -> Steps[Status]:
        return (yield from self._api.status(self._which))

    @operation
    def wait_for_deployment(
        self, show_output: bool | Callable[[str], None] = False, timeout_s: float = 600.0
    ) -> Steps[Status]:
        """Returns when every version can answer. `show_output`: True writes progress to standard output, a function is
        called with each line. Raises NotDeployed when the configuration is refused, or time is up."""
        say = show_output if callable(show_output) else _write if show_output else _nothing
        return (yield from wait_until_able(self._api, self._which, timeout_s, self._clock, say))

    @operation
    def run(
        self,
        input_data: Any,
        *,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        credential: str | None = None,
        timeout_s: float = 600.0,
    ) -> Steps[Answer]:
        """Scores, with the endpoint's own credential, which is fetched anew once when it is refused.

        Bytes and text are sent as they are, anything else as JSON. `version` pins one. `credential` is for tokens of an
        outside issuer. `timeout_s` is a last resort: the router itself answers in time. Raises ScoringFailed.
        """
        asked = scoring(input_data, version, headers, timeout_s)
        if credential is not None:
            access = Access((yield from find_address(self._api, self._which)), credential)
            return answer((yield from score(access, asked)))
        if self._access is None:
            self._access = yield from find_access(self._api, self._which)
        response = yield from score(self._access, asked)
        if response.status == 401:
            self._access = yield from find_access(self._api, self._which)
            response = yield from score(self._access, asked)
        return answer(response)

    @operation
    def get_logs(self, version: str, num_lines: int = 5000) -> Steps[str]:
        """The last lines that the replicas of a version wrote, each with the name of its replica before it."""
        return (yield from self._api.logs_so_far(self._which, version, num_lines))

    @streaming
    def follow_logs(self, version: str, num_lines: int = 100) -> Request:
        """The last lines, and those to come, one by one."""
        return self._api.logs(self._which, version, num_lines, follow=True)

    @property
    def _which(self) -> Name:
        return Name(self.name, self.namespace)


class Endpoint(EndpointCore, Blocking[BlockingIo]):
    """An endpoint; its operations return when they are done."""

    def __init__(self, api: AdminApi, shown: Shown, clock: Callable[[], float], io: BlockingIo) -> None:
        super().__init__(api, shown, clock)
        self._io = io


class AsyncEndpoint(EndpointCore, Awaiting[AwaitingIo]):
    """An endpoint; its operations are awaited."""

    def __init__(self, api: AdminApi, shown: Shown, clock: Callable[[], float], io: AwaitingIo) -> None:
        super().__init__(api, shown, clock)
        self._io = io


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _nothing(_line: str) -> None:
    pass
