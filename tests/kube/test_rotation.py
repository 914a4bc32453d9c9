"""Keys are changed under load: whoever has a valid one never notices, and the old one is refused at once."""

import asyncio
import base64
import statistics
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from lightkube import AsyncClient
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from router.store.key_maker import REPLACED_S
from tests.e2e.conftest import Maitre
from tests.fakes.changes import BOUND_S
from tests.kube.load import Load
from tests.kube.resources import Resource, endpoint, version
from tests.kube.rights import rights

ROUNDS = 5
GOAL_S = 0.1
"""From the Secret's change to the first refusal of the old key."""

WRONG = (
    ({"primaryKey": "short", "secondaryKey": "secondary-key-number-x"}, "primaryKey"),
    ({"primaryKey": "primary-key-number-x"}, "secondaryKey"),
    ({"password": "hunter2"}, "primaryKey"),
)
"""What somebody puts into the Secret, and the entry that is told."""


class Keys:
    """The Secret, as its user writes it."""

    def __init__(self, admin: AsyncClient, namespace: str) -> None:
        self._admin = admin
        self._namespace = namespace
        self.primary = "primary-key-number-0"
        self.secondary = "secondary-key-number-0"

    async def create(self) -> None:
        await self._admin.create(self._secret(), namespace=self._namespace)

    async def put(self, **entries: str) -> None:
        await self._admin.replace(self._secret(**entries), namespace=self._namespace)

    async def delete(self) -> None:
        await self._admin.delete(Secret, "digits-keys", namespace=self._namespace)

    def _secret(self, **entries: str) -> Secret:
        entries = entries or {"primaryKey": self.primary, "secondaryKey": self.secondary}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in entries.items()}
        return Secret(metadata=ObjectMeta(name="digits-keys"), data=data)


class Served:
    """An endpoint with these keys, and a maitre that serves it under load."""

    def __init__(self, maitre: Maitre, keys: Keys, resource: Resource, load: Load) -> None:
        self.maitre, self.keys, self.resource, self.load = maitre, keys, resource, load

    async def until(self, key: str, status: int) -> float:
        """The time from now to the first answer of that status to a request with that key."""
        begun = monotonic()
        connection = self.maitre.connection(key)
        async with asyncio.timeout(BOUND_S):
            while (await connection.post("digits")).status != status:
                pass
        return monotonic() - begun

    async def admits(self, *keys: str) -> list[bool]:
        statuses = [(await self.maitre.connection(key).post("digits")).status for key in keys]
        assert set(statuses) <= {200, 401}
        return [status == 200 for status in statuses]

    async def more(self) -> None:
        """Some requests from now on have been answered."""
        await self.load.answered(self.load.statuses.total() + 20)


@pytest.fixture
async def served(serve_in_cluster, admin, namespace, workload) -> AsyncIterator[Served]:
    keys, resource = Keys(admin, namespace), Resource(admin, namespace)
    await keys.create()
    await workload("blue")
    pods = version("blue", maxConcurrentRequestsPerReplica=50, autoscale={"enabled": False})
    await admin.create(endpoint(pods), namespace=namespace)
    pod = {"POD_NAMESPACE": namespace, "POD_NAME": "maitre-0"}
    maitre = await serve_in_cluster("--default-namespace", namespace, allowed=rights(), **pod)
    await resource.until("Ready", "True")
    async with Load(maitre, "digits", keys.secondary, {"ms": 2}) as load:
        load.start(4)
        yield Served(maitre, keys, resource, load)
    assert load.wrong == []
    assert set(load.statuses) == {200}
    print(f"{load.statuses.total()} answered 200, none otherwise")


async def test_one_key_after_the_other_under_load(served):
    keys, took = served.keys, []
    for number in range(1, ROUNDS + 1):
        old, keys.primary = keys.primary, f"primary-key-number-{number}"
        await keys.put()
        took.append(await served.until(old, 401))
        assert await served.admits(old, keys.primary, keys.secondary) == [False, True, True]
        await served.more()
        served.load.key = keys.primary
        await served.more()  # none is under way with the secondary key
        old, keys.secondary = keys.secondary, f"secondary-key-number-{number}"
        await keys.put()
        took.append(await served.until(old, 401))
        assert await served.admits(old, keys.primary, keys.secondary) == [False, True, True]
        served.load.key = keys.secondary
        await served.more()
    print("from the answer to the PUT to the first 401, ms:", *(f"{1000 * each:.0f}" for each in sorted(took)))
    assert statistics.median(took) < GOAL_S


async def test_a_wrong_secret_leaves_the_last_good_pair(served):
    keys = served.keys
    for number, (wrong, told) in enumerate(WRONG, 1):
        await keys.put(**wrong)
        condition = await served.resource.until("KeysAvailable", "False", "Invalid")
        assert told in condition["message"]
        assert "digits-keys" in condition["message"]
        assert not any(value in str(condition) for value in wrong.values())
        assert await served.admits(keys.primary, keys.secondary, *wrong.values()) == [True, True, *[False] * len(wrong)]
        await served.more()
        old, keys.primary = keys.primary, f"primary-key-number-{number}"
        await keys.put()
        await served.resource.until("KeysAvailable", "True")
        assert await served.admits(old, keys.primary, keys.secondary) == [False, True, True]


async def test_whoever_deletes_it_to_replace_it_is_not_overtaken_and_else_it_is_made_anew(served):
    keys = served.keys
    await keys.delete()  # `kubectl replace --force`
    await served.resource.until("KeysAvailable", "False", "Missing")
    await served.more()
    old, keys.primary = keys.primary, "primary-key-number-1"
    await keys.create()  # it is not there
    await served.until(old, 401)
    assert await served.admits(keys.primary, keys.secondary) == [True, True]
    await served.resource.until("KeysAvailable", "True")
    assert not [event for event in await served.resource.events() if event.reason == "KeysMade"]

    await keys.delete()
    deleted = monotonic()
    await served.resource.until("KeysAvailable", "False", "Missing")
    assert await served.admits(keys.primary, keys.secondary) == [True, True]
    await served.load.stop()
    await served.until(keys.primary, 401)
    assert monotonic() - deleted > REPLACED_S - 1
    made = await served.resource.keys()
    assert await served.admits(keys.secondary, made["primaryKey"], made["secondaryKey"]) == [False, True, True]
    await served.resource.until("KeysAvailable", "True")
    await served.resource.until_event("KeysMade")
