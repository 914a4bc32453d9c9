"""Each call on the Lease says whether the API server answers, whatever it answers."""

import asyncio

import pytest

from router.coord.election import Record, Version
from router.coord.lease import LeaseChanged, LeaseRefused, LeaseUnreachable
from router.coord.witnessed import WitnessedLease

VERSION = Version("uid", "7")


class Told:
    def __init__(self) -> None:
        self.told: list[str] = []

    def made(self, subject: str) -> None:
        self.told.append(f"{subject} made")

    def lost(self, subject: str, reason: str) -> None:
        self.told.append(f"{subject} lost: {reason}")

    def ended(self, subject: str) -> None:
        raise AssertionError(subject)


class Lease:
    """Raises, or hangs where there is nothing to raise and nothing to give."""

    def __init__(self, error: Exception | None = None, *, hangs: bool = False) -> None:
        self._error = error
        self._hangs = hangs

    async def read(self):
        if self._hangs:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error

    async def write(self, record, under):
        await self.read()
        return VERSION


@pytest.fixture
def told() -> Told:
    return Told()


async def test_an_answer(told):
    lease = WitnessedLease(Lease(), told, "leases")
    assert await lease.read() is None
    assert await lease.write(Record("me"), None) == VERSION
    assert told.told == ["leases made"] * 2


async def test_what_is_forbidden_was_answered(told):
    """Else reads that are allowed would tell of a return after each write that is not."""
    with pytest.raises(LeaseRefused):
        await WitnessedLease(Lease(LeaseRefused("cannot update leases")), told, "leases").write(Record("me"), VERSION)
    assert told.told == ["leases made"]


async def test_a_write_that_came_too_late_was_answered(told):
    with pytest.raises(LeaseChanged):
        await WitnessedLease(Lease(LeaseChanged("7 is gone")), told, "leases").write(Record("me"), VERSION)
    assert told.told == ["leases made"]


async def test_no_answer(told):
    with pytest.raises(LeaseUnreachable):
        await WitnessedLease(Lease(LeaseUnreachable("Forbidden")), told, "leases").read()
    assert told.told == ["leases lost: Forbidden"]


async def test_a_call_that_was_given_up(told):
    call = asyncio.get_running_loop().create_task(WitnessedLease(Lease(hangs=True), told, "leases").read())
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert told.told == ["leases lost: no answer in time"]
