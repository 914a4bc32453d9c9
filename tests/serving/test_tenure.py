"""What only the leader does is done in terms, never twice at once."""

import asyncio
from contextlib import suppress

import pytest

from router.serving.tenure import Tenure


class Work:
    """Runs until cancelled, and takes a turn of the loop to end."""

    def __init__(self) -> None:
        self.running = 0
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def run(self) -> None:
        self.running += 1
        assert self.running == 1
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            self.running -= 1
            self.begun.clear()
            self.ended.set()


@pytest.fixture
async def work():
    return Work()


@pytest.fixture
async def tenure(work):
    tenure = Tenure([work.run])
    task = asyncio.get_running_loop().create_task(tenure.run())
    yield tenure
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not work.running


async def test_nothing_is_done_before_a_term(tenure, work):
    for _ in range(5):
        await asyncio.sleep(0)
    assert not work.begun.is_set()


async def test_one_term_after_the_other(tenure, work):
    for _ in range(3):
        tenure.changed(True)
        await asyncio.wait_for(work.begun.wait(), 1)
        work.ended.clear()
        tenure.changed(False)
        await asyncio.wait_for(work.ended.wait(), 1)


async def test_a_term_that_begins_while_the_last_one_ends_waits_for_it(tenure, work):
    tenure.changed(True)
    await asyncio.wait_for(work.begun.wait(), 1)
    tenure.changed(False)
    tenure.changed(True)
    await asyncio.wait_for(work.ended.wait(), 1)
    await asyncio.wait_for(work.begun.wait(), 1)
    assert work.running == 1


async def test_the_end_waits_for_the_last_term_and_none_begins_after_it(tenure, work):
    tenure.changed(True)
    await asyncio.wait_for(work.begun.wait(), 1)
    await asyncio.wait_for(tenure.end(), 1)
    assert not work.running
    tenure.changed(True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not work.running


async def test_a_work_that_fails_ends_it():
    async def fail() -> None:
        raise ValueError("a bug")

    tenure = Tenure([fail])
    tenure.changed(True)
    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await asyncio.wait_for(tenure.run(), 1)
