"""How slots were used, by the models' own records: the judge of exactness that knows nothing of the router. Pure.

Records are those of `recording_model.py`. At the same nanosecond an end comes before a beginning: a model notes the end
right before it lets the router know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple


class Work(NamedTuple):
    """One request that a replica worked on. Times are monotonic nanoseconds."""

    replica: int
    """Its port."""
    id: str
    """x-request-id."""
    begun: int
    ended: int | None
    """None: it was still worked on when the record was read."""
    cut: bool
    """It ended by the end of its connection, without an answer."""


def parse(page: str) -> list[Work]:
    """What `GET /records` says, in the order of the beginnings."""
    works = []
    for line in page.splitlines():
        replica, id, begun, ended, cut = line.split()
        works.append(Work(int(replica), id, int(begun), int(ended) or None, cut == "1"))
    return sorted(works, key=lambda work: work.begun)


class Moment(NamedTuple):
    """From `at` on, until the next moment, `running` requests were worked on."""

    at: int
    running: int


def moments(works: Iterable[Work]) -> Iterator[Moment]:
    """How many were worked on at once, over time."""
    steps = [(work.begun, 1) for work in works] + [(work.ended, -1) for work in works if work.ended is not None]
    running = 0
    for at, step in sorted(steps):
        running += step
        yield Moment(at, running)


def most_at_once(works: Iterable[Work]) -> dict[int, int]:
    """By replica: the most that it ever worked on at once."""
    return {replica: max(moment.running for moment in moments(its)) for replica, its in by_replica(works).items()}


def by_replica(works: Iterable[Work]) -> dict[int, list[Work]]:
    found: dict[int, list[Work]] = defaultdict(list)
    for work in works:
        found[work.replica].append(work)
    return found


def overbooked(works: Iterable[Work], slots: int) -> list[str]:
    """Each time that a replica began a request while it worked on `slots` others, for people to read."""
    found = []
    for replica, its in by_replica(works).items():
        running: list[Work] = []
        for work in sorted(its, key=lambda work: work.begun):
            running = [each for each in running if each.ended is None or each.ended > work.begun]
            if len(running) >= slots:
                overlaps = ", ".join(f"{each.id} by {_overlap_us(each, work)}" for each in running)
                found.append(f"replica {replica} began {work.id} at {work.begun} while at work on {overlaps}")
            running.append(work)
    return found


def _overlap_us(before: Work, after: Work) -> str:
    return "no end" if before.ended is None else f"{(before.ended - after.begun) / 1000:.0f} µs"


class Loss(NamedTuple):
    """Requests that were cut at one time, and when their slots were used again."""

    cut: int
    usual: int
    """As many were worked on at once before, for a tenth of a second at least of the last one."""
    back_s: float | None
    """Seconds until as many were again, and more than can be without the slots of those that were cut; None: never."""


def loss(works: Iterable[Work], slots: int, since: int) -> Loss:
    """Of what was cut from `since` on. `slots`: of all replicas together."""
    works = list(works)
    cuts = [work.ended for work in works if work.cut and work.ended is not None and work.ended >= since]
    usual = _usual(list(moments(works)), since)
    enough = max(usual, slots - len(cuts) + 1)
    back = (at for at, running in moments(works) if at >= max(cuts, default=since) and running >= enough)
    at = next(back, None)
    return Loss(len(cuts), usual, None if at is None else (at - since) / 1e9)


def _usual(found: Sequence[Moment], until: int) -> int:
    since, lasted = until - 10**9, Counter[int]()
    for (at, running), (end, _) in pairwise(found):
        lasted[running] += max(0, min(end, until) - max(at, since))
    return next((level for level in sorted(lasted, reverse=True) if lasted[level] >= 10**8), 0)


def twice(works: Sequence[Work]) -> dict[str, int]:
    """Ids that were worked on more than once, and how often."""
    return {id: count for id, count in Counter(work.id for work in works).items() if count > 1}
