"""What real processes print, as the admin API gives it: the past, what comes, and an end."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from router.discovery.output import RecentLines
from router.discovery.readiness import Prober
from router.errors import EndpointUnknown, NoLogs, VersionUnknown
from router.serving.fleet import Fleet
from router.serving.lines import TOO_SLOW
from router.serving.version_logs import VersionLogs
from router.store.configuration import Configuration
from tests.discovery.conftest import STUB
from tests.serving.test_fleet import TEXT, configuration, fleet, side, tables  # noqa: F401  fixtures

KEY = ("default", "digits")
URLS = 'urls: ["http://127.0.0.1:5001"]'


def with_command(*options: str) -> str:
    words = [sys.executable, "-u", str(STUB), "--port", "{port}", *options]
    return TEXT.replace(URLS, f"command: {words!r}".replace("'", '"'))


@pytest.fixture
async def running(fleet: Fleet) -> AsyncIterator[Fleet]:  # noqa: F811
    """A fleet that can start processes."""
    prober = Prober()
    fleet._around = dataclasses.replace(
        fleet._around, premises=dataclasses.replace(fleet._around.premises, prober=prober)
    )
    await fleet._around.premises.warden.start()
    yield fleet
    fleet.apply(Configuration())
    await asyncio.gather(*fleet._leaving)
    await prober.close()


async def first(lines: AsyncGenerator[str, None], word: str) -> str:
    async with asyncio.timeout(10):
        async for line in lines:
            if word in line:
                return line
    raise AssertionError(f"the lines end without {word!r}")


async def test_what_a_process_prints_is_followed_and_ends_with_the_version(running):
    running.apply(configuration(with_command()))
    await running.version(("digits", "blue")).scale(1)
    logs = VersionLogs(running)
    follow = logs.lines(KEY, "blue", 100, True)
    replica, word, *_ = (await first(follow, "started")).split()
    assert (replica, word) == ("1", "started")
    past = [line async for line in logs.lines(KEY, "blue", 100, False)]
    assert [line.split()[:2] for line in past] == [["1", "started"]]
    assert [line async for line in logs.lines(KEY, "blue", 0, False)] == []
    late = logs.lines(KEY, "blue", 100, True)
    running.apply(Configuration())
    async with asyncio.timeout(5):
        assert [line async for line in follow] == []
        assert [line async for line in late] == past


async def test_lines_of_the_command_before_stay(running):
    running.apply(configuration(with_command()))
    await running.version(("digits", "blue")).scale(1)
    logs = VersionLogs(running)
    follow = logs.lines(KEY, "blue", 100, True)
    await first(follow, "started")
    running.apply(configuration(with_command("--start-delay", "0.01")))
    assert (await first(follow, "started")).startswith("2 started")
    assert len([line async for line in logs.lines(KEY, "blue", 100, False) if "started" in line]) == 2
    await follow.aclose()


async def test_who_has_no_logs_says_where_they_are(fleet):  # noqa: F811
    workload = TEXT.replace(URLS, "deployment: {name: digits, port: 5001}")
    fleet.apply(configuration(workload))
    logs = VersionLogs(fleet)
    with pytest.raises(NoLogs, match="fixed urls"):
        logs.lines(KEY, "green", 10, False)
    with pytest.raises(NoLogs, match="is a workload of a cluster, and this router is in none"):
        logs.lines(KEY, "blue", 10, False)
    with pytest.raises(VersionUnknown, match="'red'"):
        logs.lines(KEY, "red", 10, False)
    with pytest.raises(EndpointUnknown, match="there is no endpoint other"):
        logs.lines(("default", "other"), "blue", 10, False)


@pytest.fixture
def printed() -> RecentLines:
    recent = RecentLines()
    for number in range(5):
        recent.append("1", f"line {number}")
    return recent


async def test_the_last_lines_then_those_that_come_without_a_gap(printed):
    lines = VersionLogs(None)._printed(printed, 2, True)
    assert await anext(lines) == "1 line 3"
    printed.append("2", "")
    printed.append("2", "more")
    printed.close()
    assert [line async for line in lines] == ["1 line 4", "2 ", "2 more"]


async def test_who_does_not_read_is_dropped_and_told_so_and_others_do_not_notice(printed):
    slow = VersionLogs(None, room=500)._printed(printed, 0, True)
    quick = VersionLogs(None, room=500)._printed(printed, 1, True)
    starting = asyncio.get_running_loop().create_task(anext(slow))
    await asyncio.sleep(0)  # begun, it follows
    assert await anext(quick) == "1 line 4"
    for number in range(5, 20):
        printed.append("1", f"line {number}")
        assert await anext(quick) == f"1 line {number}"
    assert await starting == "1 line 5"
    rest = [line async for line in slow]
    assert rest == ["1 line 6", "1 line 7", "1 line 8", TOO_SLOW]
    assert len(printed._followers) == 1
    await quick.aclose()
    assert not printed._followers


async def test_who_goes_is_forgotten(printed):
    lines = VersionLogs(None)._printed(printed, 1, True)
    await anext(lines)
    assert len(printed._followers) == 1
    await lines.aclose()
    assert not printed._followers
