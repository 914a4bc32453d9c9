"""The walk-through of the original, once by the command line and once by the SDK; splits are those of real requests."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from router.client import AsyncMaitre, Conflict, Invalid
from tests.e2e.conftest import Maitre
from tests.e2e.managing import COMMAND, Ran, near, run, sdk, split, words


class Owner(Protocol):
    """Whoever manages the endpoint `digits`."""

    async def create(self, version: str, percent: int) -> str:
        """Returns when it answers, with a key."""

    async def add(self, version: str, percent: int) -> None: ...
    async def promote(self, version: str, percent: int) -> None:
        """Default and control from now on."""

    async def refused_to_add(self, version: str) -> str:
        """Why not."""

    async def refused_to_delete(self, version: str) -> str: ...
    async def delete(self, version: str) -> None: ...
    async def delete_endpoint(self) -> None: ...
    async def names(self) -> list[str]: ...


class ByCommand:
    def __init__(self, maitre: Maitre) -> None:
        self._maitre = maitre

    async def create(self, version: str, percent: int) -> str:
        await self._done(
            *("endpoint", "create", "digits", "--version-name", version, "--traffic-percentile", str(percent)),
            *("--autoscale-enabled", "--autoscale-max-replicas", "2", "--command", words(COMMAND), "--wait"),
        )
        shown = await self._done("keys", "show", "digits", "--output", "yaml")
        return next(line.split(": ")[1] for line in shown.splitlines() if line.startswith("primaryKey"))

    async def add(self, version: str, percent: int) -> None:
        await self._done(
            *("version", "create", "digits", version, "--traffic-percentile", str(percent)),
            *("--command", words(COMMAND)),
        )

    async def promote(self, version: str, percent: int) -> None:
        await self._done(
            "version", "update", "digits", version, "--traffic-percentile", str(percent), "--default", "--control"
        )

    async def refused_to_add(self, version: str) -> str:
        return await self._refused("version", "create", "digits", version, "--command", words(COMMAND))

    async def refused_to_delete(self, version: str) -> str:
        return await self._refused("version", "delete", "digits", version, "--yes")

    async def delete(self, version: str) -> None:
        await self._done("version", "delete", "digits", version, "--yes")

    async def delete_endpoint(self) -> None:
        asked = await run(self._maitre, "endpoint", "delete", "digits", given="n\n")
        assert asked.code != 0
        assert await self.names() == ["digits"]
        await self._done("endpoint", "delete", "digits", "--yes")

    async def names(self) -> list[str]:
        shown = await self._done("endpoint", "list", "--output", "yaml")
        return [line.split("name: ")[1] for line in shown.splitlines() if line.startswith("    name: ")]

    async def _done(self, *words: str) -> str:
        ran = await run(self._maitre, *words)
        assert ran.code == 0, ran
        return ran.out

    async def _refused(self, *words: str) -> str:
        ran: Ran = await run(self._maitre, *words)
        assert ran.code == 1, ran
        return ran.err


class BySdk:
    def __init__(self, maitre: AsyncMaitre) -> None:
        self._maitre = maitre

    async def create(self, version: str, percent: int) -> str:
        self._endpoint = await self._maitre.create(
            "digits", version_name=version, traffic_percentile=percent, autoscale_max_replicas=2, command=COMMAND
        )
        await self._endpoint.wait_for_deployment()
        return (await self._endpoint.get_keys()).primary

    async def add(self, version: str, percent: int) -> None:
        await self._endpoint.create_version(version, traffic_percentile=percent, command=COMMAND)

    async def promote(self, version: str, percent: int) -> None:
        await self._endpoint.update_version(version, traffic_percentile=percent, is_default=True, type="control")

    async def refused_to_add(self, version: str) -> str:
        with pytest.raises(Invalid) as refused:
            await self._endpoint.create_version(version, command=COMMAND)
        return str(refused.value)

    async def refused_to_delete(self, version: str) -> str:
        with pytest.raises(Conflict) as refused:
            await self._endpoint.delete_version(version)
        return str(refused.value)

    async def delete(self, version: str) -> None:
        await self._endpoint.delete_version(version)

    async def delete_endpoint(self) -> None:
        await self._endpoint.delete()

    async def names(self) -> list[str]:
        return [endpoint.name for endpoint in await self._maitre.list()]


@contextlib.asynccontextmanager
async def by_command(maitre: Maitre) -> AsyncIterator[Owner]:
    yield ByCommand(maitre)


@contextlib.asynccontextmanager
async def by_sdk(maitre: Maitre) -> AsyncIterator[Owner]:
    async with sdk(maitre) as connected:
        yield BySdk(connected)


@pytest.mark.long
@pytest.mark.parametrize("by", [by_command, by_sdk])
async def test_the_walk_through(serve, by: Callable[[Maitre], AbstractAsyncContextManager[Owner]]):
    maitre = await serve("[]")  # not one endpoint yet
    async with by(maitre) as owner:
        key = await owner.create("version-a", 20)
        assert await split(maitre, key) == {"version-a": 100}, "the default takes what nobody claims"

        await owner.add("version-b", 10)
        await ready(maitre, "version-b")
        measured = await split(maitre, key)
        print("b 10 %:", measured)
        assert near(measured, {"version-a": 90, "version-b": 10})

        await owner.promote("version-b", 40)
        measured = await split(maitre, key)
        print("b 40 %, default and control; a claims 20 %:", measured)
        assert near(measured, {"version-a": 20, "version-b": 80})

        said = await owner.refused_to_delete("version-b")
        assert "default" in said
        await owner.delete("version-a")
        assert await split(maitre, key) == {"version-b": 100}

        for name in "cdefg":
            await owner.add(f"version-{name}", 1)
        assert "6" in await owner.refused_to_add("version-h")
        assert await owner.names() == ["digits"]
        await owner.delete_endpoint()
        assert await owner.names() == []
    answer = await maitre.connection(key).post("digits")
    assert answer.status == 404


async def ready(maitre: Maitre, version: str) -> None:
    await maitre.until_metric(lambda value: value >= 1, "maitre_replicas_total", version=version)
