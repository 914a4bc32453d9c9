"""The load generator: sends every request at its time, whatever became of the earlier ones, and checks the answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import httpx

from examples.demo.digits import Question
from examples.demo.plan import Phase
from examples.demo.seen import Answer, PhaseBegan, Seen, Timeline
from examples.demo.serving import Serving

PATH: Final = "/api/v1/service/digits/score"
TIMEOUT_S: Final = 60.0
"""Longer than the router lets anything wait: it is to be heard, not cut short."""


@asynccontextmanager
async def callers(serving: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the endpoint's key. Any number of connections: in an open loop nobody waits for a free one."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    headers = {"authorization": f"Bearer {serving.key}", "content-type": "application/json"}
    async with httpx.AsyncClient(
        base_url=serving.data_url, headers=headers, limits=limits, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        yield client


class LoadGenerator:
    """Asks `questions` over and over; what comes of it goes to `seen`."""

    def __init__(
        self, client: httpx.AsyncClient, questions: Iterable[Question], seen: Seen, timeline: Timeline, seed: int
    ) -> None:
        self._client = client
        self._questions: Iterator[Question] = itertools.cycle(questions)
        self._seen = seen
        self._timeline = timeline
        self._random = Random(seed)

    async def play(self, phases: Iterable[Phase]) -> None:
        """Returns when the phases are over and everything is answered."""
        async with asyncio.TaskGroup() as requests:
            for phase in phases:
                began = self._timeline.now()
                self._seen.phases.append(PhaseBegan(phase.name, phase.rps, began))
                for offset in phase.arrivals(self._random):
                    await self._sleep_until(began + offset)
                    self._seen.sent += 1
                    requests.create_task(self._ask(began + offset, next(self._questions)))
                await self._sleep_until(began + phase.seconds)

    async def _sleep_until(self, due: float) -> None:
        await asyncio.sleep(due - self._timeline.now())

    async def _ask(self, due: float, question: Question) -> None:
        try:
            response = await self._client.post(PATH, content=question.body)
        except httpx.TransportError:
            self._seen.answers.append(Answer(due, self._timeline.now(), status=0))
        else:
            self._seen.answers.append(_answer(due, self._timeline.now(), response, question))


def _answer(due: float, done: float, response: httpx.Response, question: Question) -> Answer:
    content = _content(response)
    return Answer(
        due=due,
        done=done,
        status=response.status_code,
        reason=_reason(content),
        version=response.headers.get("azureml-model-deployment", ""),
        replica=response.headers.get("x-replica", ""),
        right=question.right(content) if response.status_code == httpx.codes.OK else 0,
        images=len(question.labels),
    )


def _content(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def _reason(content: Any) -> str:
    """The outcome that the router puts into its own answers."""
    error = content.get("error") if isinstance(content, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""
