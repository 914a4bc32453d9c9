"""Closed-loop load on a maitre in a cluster: clients that ask again as soon as they are answered."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from tests.e2e.client import Broken, Connection
from tests.e2e.conftest import Maitre


class Load:
    """Counts what was answered, by status; `versions` by who answered. A connection that breaks counts as status 0."""

    def __init__(self, maitre: Maitre, endpoint: str, key: str | None, wish: Any = None) -> None:
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()
        self.replicas: Counter[str] = Counter()
        self.wrong: list[str] = []
        """What was not answered 200."""
        self.key = key
        self._maitre = maitre
        self._endpoint = endpoint
        self._wish = wish
        self._clients: list[asyncio.Task[None]] = []
        self._over = False
        self._more = asyncio.Event()

    async def __aenter__(self) -> "Load":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self, clients: int) -> None:
        """So many more."""
        loop = asyncio.get_running_loop()
        self._clients += [loop.create_task(self._client()) for _ in range(clients)]

    async def stop(self) -> None:
        """After the answers that are still due."""
        self._over = True
        clients, self._clients = self._clients, []
        await asyncio.gather(*clients)
        self._over = False

    async def answered(self, number: int, bound_s: float = 20.0) -> None:
        """Returns when so many have been answered, whatever they were."""
        async with asyncio.timeout(bound_s):
            while self.statuses.total() < number:
                self._more.clear()
                await self._more.wait()

    async def _client(self) -> None:
        async with AsyncExitStack() as ends:
            connection = Connection(self._maitre.port)
            ends.push_async_callback(connection.close)
            while not self._over:
                await self._ask(connection)

    async def _ask(self, connection: Connection) -> None:
        connection.key = self.key
        try:
            answer = await connection.post(self._endpoint, self._wish)
        except (Broken, OSError) as error:
            self.statuses[0] += 1
            self.wrong.append(repr(error))
        else:
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.versions[answer.version] += 1
                self.replicas[answer.json()["replica"]] += 1
            else:
                self.wrong.append(answer.body.decode())
        self._more.set()
