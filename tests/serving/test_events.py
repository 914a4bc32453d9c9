"""Events for several readers: in order, once each, and nobody waits for who does not read."""

import asyncio
from datetime import UTC, datetime

from router.serving.events import EventRing

START = datetime(2026, 11, 24, tzinfo=UTC)
FIRST = int(START.timestamp() * 1000) + 1
KEY = ("vision", "digits")


def ring(**limits: int) -> EventRing:
    return EventRing(lambda: START, **limits)


async def drained(reader) -> list[int]:
    numbers = []
    while (event := await reader.next()) is not None:
        numbers.append(event.number - FIRST)
    return numbers


async def test_a_reader_gets_what_happens_from_now_on():
    events = ring()
    events.happened("decision", KEY, version="blue")
    reader = events.subscribe(None)
    waiting = asyncio.get_running_loop().create_task(reader.next())
    await asyncio.sleep(0)
    events.happened("ejection", KEY, version="blue", ejected=1)
    event = await waiting
    about = {"endpoint": "digits", "namespace": "vision", "at": "2026-11-24T00:00:00+00:00"}
    assert event == (FIRST + 1, "ejection", {"type": "ejection", **about, "version": "blue", "ejected": 1})
    events.happened("configuration", None, state="refused")
    assert "endpoint" not in (await reader.next()).data


async def test_who_comes_back_gets_what_was_missed_as_far_as_it_is_kept():
    events = ring(kept=3)
    for _ in range(5):
        events.happened("decision", KEY)
    readers = [events.subscribe(after) for after in (FIRST + 3, FIRST, 0, 7, FIRST + 99)]
    events.happened("decision", KEY)
    events.close()
    assert [await drained(reader) for reader in readers] == [[4, 5], [2, 3, 4, 5], [2, 3, 4, 5], [2, 3, 4, 5], [5]]


async def test_a_slow_reader_ends_and_others_do_not_notice():
    events = ring(room=2)
    slow, quick = events.subscribe(None), events.subscribe(None)
    ended = asyncio.get_running_loop().create_task(slow.ended())
    for _ in range(4):
        events.happened("decision", KEY)
        await quick.next()
    await asyncio.wait_for(ended, 1)
    assert await drained(slow) == [0, 1]
    assert repr(events) == "<EventRing events=4 readers=1>"


async def test_what_is_told_again_has_room_of_its_own():
    events = ring(room=1, kept=5)
    for _ in range(5):
        events.happened("decision", KEY)
    reader = events.subscribe(0)
    events.happened("decision", KEY)
    events.close()
    assert await drained(reader) == [0, 1, 2, 3, 4, 5]


async def test_who_goes_is_forgotten_and_who_comes_too_late_gets_the_end():
    events = ring()
    reader = events.subscribe(None)
    reader.close()
    reader.close()
    assert repr(events) == "<EventRing events=0 readers=0>"
    events.happened("decision", KEY)
    assert await reader.next() is None
    events.close()
    assert await events.subscribe(None).next() is None


async def test_a_call_that_is_cancelled_takes_nothing():
    events = ring()
    reader = events.subscribe(None)
    waiting = asyncio.get_running_loop().create_task(reader.next())
    await asyncio.sleep(0)
    events.happened("decision", KEY)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await reader.next()).number == FIRST
