"""Faults under load: every request ends exactly once, and the client, the router's counters, its access log and the
models' own records tell the same story of it.

An open-loop client sends unique requests; four models answer, hang, break off, send nonsense, close, die and are killed
by schedules of their own (`faulty_model.py`). Then each request is followed through all four accounts:

- the client got one answer, or one that is visibly cut, or left by itself; and the body is the one that it sent;
- the access log has one line for it, which says what the client saw; the counters are the sum of the lines;
- what the last model did to it explains what the client saw;
- models saw it at most twice, and twice only where the first connection was a kept-alive one that ended without a byte
  of an answer, and what had come of the body could be sent again (section 4 of the contract).
"""

import asyncio
import collections
import itertools
import json
import random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import Maitre, endpoint, fixed_version
from tests.e2e.open_loop import Line, Received, open_loop
from tests.e2e.replicas import FixedReplica, Sighting, by_id

REPLICAS = 4
SLOTS = 4
CONNECTIONS = 64
PAUSE_S = 0.7
"""Between two disturbances."""
KEPT = 64 << 10
"""Bytes of a body that the router keeps to send them again."""
SCORING_TIMEOUT_MS = 300
BULK = 400 << 10
"""More than it can have at hand, however its reads fall: that, and one read of 256 KiB."""
KINDS = {"whole": 86, "halves": 9, "bulk": 1, "bulk lost": 1, "leaves": 3}
"""Of requests, and how many in a hundred. Halves come with a pause between them."""
WISHES = {"bulk lost": "x-fate: lost\r\n", "leaves": "x-fate: hang\r\n"}
PIECEMEAL = {"halves", "bulk", "bulk lost"}
"""Kinds whose body comes in more than one piece: the last one is late where a starved machine let this client wait."""
LATE_ONES = 0.01
"""Of the requests that come piecemeal, how many may be late at most."""
UNREACHED = {"upstream_error", "queue_timeout", "no_replicas"}
"""What a request may end in that reached no model: no connection, no slot in time, no replica."""

ENDS = {
    "ok": {"ok"},
    "slow": {"ok"},
    "early": {"ok"},
    "long": {"ok"},
    "stale": {"ok"},
    "failed": {"model_error"},
    "close": {"upstream_error"},
    "reset": {"upstream_error"},
    "lost": {"upstream_error"},
    "garbage": {"upstream_error"},
    "half-head": {"upstream_error"},
    "truncated": {"cut by upstream_error"},
    "torn": {"cut by upstream_error"},
    "torn-chunks": {"cut by upstream_error"},
    "stall": {"cut by upstream_timeout"},
    "hang": {"upstream_timeout"},
    "die": {"upstream_error"},
}
"""How a request ends, by the fate that it met last."""


class Customer:
    """One of the client's connections, and what it saw: by request, the answer or None where it left."""

    def __init__(self, port: int, seen: dict[str, Received | None], piecemeal: set[str], chance: random.Random) -> None:
        self._port = port
        self._seen = seen
        self._piecemeal = piecemeal
        self._chance = chance
        self._line: Line | None = None

    async def ask(self, number: int, due: float) -> None:
        id = f"r{number:06}"
        kind = self._chance.choices(list(KINDS), list(KINDS.values()))[0]
        body = id.encode() * (BULK // len(id) if kind in ("bulk", "bulk lost") else self._chance.randint(1, 20))
        if kind in PIECEMEAL:
            self._piecemeal.add(id)
        line = self._line = self._line or await Line.open(self._port)
        line.transport.write(head(id, len(body), WISHES.get(kind, "")))
        if kind == "leaves":
            line.transport.write(body)
            await asyncio.sleep(0.02)
            self._seen[id] = None
        elif kind == "halves":
            line.transport.write(body[:3])
            await asyncio.sleep(0.01)
            line.transport.write(body[3:])
            self._seen[id] = await line.answer()
        else:
            line.transport.write(body)
            self._seen[id] = await line.answer()
        received = self._seen[id]
        if received is None or not received.whole or received.fields.get("connection") == "close":
            self.close()
        if received is not None and received.outcome == "ok":
            assert body.startswith(received.body), "an early answer has what had come"

    def close(self) -> None:
        if self._line is not None:
            self._line.leave()
            self._line = None


def head(id: str, length: int, more: str) -> bytes:
    return (
        "POST /api/v1/service/digits/score HTTP/1.1\r\nhost: test\r\n"
        f"x-ms-client-request-id: {id}\r\nx-id: {id}\r\n{more}content-length: {length}\r\n\r\n"
    ).encode()


@dataclass
class Accounts:
    """What everybody says of one run."""

    client: dict[str, Received | None]
    piecemeal: set[str]
    """Of these requests the body came in more than one piece."""
    log: list[dict]
    models: dict[str, list[Sighting]]
    counters: collections.Counter[tuple[str, str]]

    def __post_init__(self) -> None:
        self.lines = {line["clientRequestId"]: line for line in self.log}

    def end(self, id: str) -> str:
        """What the log says of a request. Why an answer was cut, its client cannot know; that it was, it must see."""
        received, outcome = self.client[id], self.lines[id]["outcome"]
        return f"cut by {outcome}" if received is not None and received.outcome == "cut" else outcome


async def disturb(replicas: list[FixedReplica], over: asyncio.Event) -> None:
    """Kills a replica and starts it again, closes the port of the next, and so on; who has died by its own schedule is
    started again, too."""
    for turn in itertools.count():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PAUSE_S)
        for dead in [each for each in replicas if not each.alive]:
            await dead.killed()
            await dead.start()
        if over.is_set():
            return
        replica = replicas[turn % len(replicas)]
        if turn % 3:
            replica.go_away()
        else:
            await replica.killed()


async def run(maitre: Maitre, replicas: list[FixedReplica], access_log: Path, rate: float, seconds: float) -> Accounts:
    seen: dict[str, Received | None] = {}
    piecemeal: set[str] = set()
    customers = [Customer(maitre.port, seen, piecemeal, random.Random(seed)) for seed in range(CONNECTIONS)]
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(disturb(replicas, over))
        await open_loop(rate, range(int(rate * seconds)), [customer.ask for customer in customers])
        over.set()
    for customer in customers:
        customer.close()
    for name in ("maitre_requests_in_flight", "maitre_requests_queued", "maitre_replicas_busy"):
        await maitre.until_metric(lambda value: value == 0, name)
    await maitre.until_metric(lambda value: value == len(replicas), "maitre_replicas_total")
    counters = await counted(maitre)
    await maitre.stop()  # completes the access log
    log = [json.loads(line) for line in access_log.read_text().splitlines()]
    return Accounts(seen, piecemeal, log, by_id(replicas), counters)


async def counted(maitre: Maitre) -> collections.Counter[tuple[str, str]]:
    page = (await maitre.admin("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return collections.Counter(
        {
            (sample.labels["outcome"], sample.labels["code"]): int(sample.value)
            for sample in samples
            if sample.name == "maitre_requests_total"
        }
    )


# -- what must agree ---------------------------------------------------------------------------------------------------


def assert_one_end_each(accounts: Accounts) -> None:
    """The log has a line for each request, which says what the client saw; the counters are the sum of the lines."""
    assert len(accounts.lines) == len(accounts.log)
    assert accounts.lines.keys() == accounts.client.keys()
    for id, received in accounts.client.items():
        end = accounts.end(id)
        if received is None:
            assert end != "client_gone" or accounts.lines[id]["status"] in (0, 200)
        else:
            assert (received.status, received.outcome) == (accounts.lines[id]["status"], end.split()[0]), (id, end)
    ends = collections.Counter((line["outcome"], str(line["status"])) for line in accounts.log)
    assert ends == accounts.counters


def assert_ends_are_explained(accounts: Accounts) -> None:
    """By what the last model that saw the request did to it."""
    for id, received in accounts.client.items():
        sightings = accounts.models.get(id, [])
        if received is not None:
            ends = possible_ends(sightings)
            if id in accounts.piecemeal and sightings and sightings[-1].took is None:
                ends = ends | {"request_timeout"}  # the model never had all of the body
            assert accounts.end(id) in ends, (id, received, sightings)
    late = sum(accounts.end(id) == "request_timeout" for id in accounts.client)
    assert late <= 1 + LATE_ONES * len(accounts.piecemeal)


def possible_ends(sightings: list[Sighting]) -> set[str]:
    if not sightings:
        return UNREACHED
    last = sightings[-1]
    ends = set(ENDS[last.fate])
    if last.cut_short:
        ends |= {"upstream_error", "cut by upstream_error"}
    if last.silent_end and len(sightings) == 1:
        ends |= UNREACHED | {"upstream_timeout"}  # tried again, where no model saw it
    if last.at - sightings[0].at > SCORING_TIMEOUT_MS * 1e6 / 2:
        ends |= {"upstream_timeout", "cut by upstream_timeout"}  # the first attempt took the second one's time
    return ends


def assert_tried_again_by_the_rule(accounts: Accounts) -> None:
    """Once, and only after a kept-alive connection that ended without a byte, with a body that can be sent again."""
    for id, sightings in accounts.models.items():
        assert len(sightings) <= 2, (id, sightings)
        for first in sightings[:-1]:
            assert first.silent_end, (id, sightings)
            assert (first.took or 0) <= KEPT, (id, sightings)


def assert_nothing_was_overbooked(accounts: Accounts) -> None:
    most = max(sighting.running for sightings in accounts.models.values() for sighting in sightings)
    assert most <= SLOTS


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [(300, 5), pytest.param(1000, 30, marks=[pytest.mark.long, pytest.mark.timeout(120)])],
)
async def test_every_request_ends_once_whatever_the_models_do(serve, fixed_replicas, tmp_path, rate, seconds):
    replicas = await fixed_replicas(REPLICAS)
    access_log = tmp_path / "access.log"
    maitre = await serve(
        endpoint(
            fixed_version(
                replicas,
                scoringTimeoutMs=SCORING_TIMEOUT_MS,
                maxQueueWaitMs=2000,
                maxConcurrentRequestsPerReplica=SLOTS,
            ),
            auth="mode: none",
        ),
        "--access-log",
        str(access_log),
    )
    await maitre.until_metric(lambda value: value == REPLICAS, "maitre_replicas_total")
    accounts = await run(maitre, replicas, access_log, rate, seconds)
    report(accounts)
    assert_one_end_each(accounts)
    assert_ends_are_explained(accounts)
    assert_tried_again_by_the_rule(accounts)
    assert_nothing_was_overbooked(accounts)
    assert maitre.lines("level=error|trace=|Traceback") == []
    assert set(ENDS) - {s.fate for each in accounts.models.values() for s in each} <= {"die"}, "the test met them all"


def report(accounts: Accounts) -> None:
    again = sum(len(sightings) == 2 for sightings in accounts.models.values())
    print(f"{len(accounts.client)} requests, {again} tried again: {dict(accounts.counters)}")
