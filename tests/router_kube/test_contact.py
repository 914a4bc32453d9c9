import asyncio
from time import monotonic

import pytest

from router.kube import contact as contact_module
from router.kube.contact import LATELY_S, Contact
from tests.fakes.changes import BOUND_S


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_what_is_out_of_reach_is_told_with_how_long():
    clock = Clock()
    contact = Contact(clock)
    contact.made("pods")
    contact.lost("secrets", "no answer in time")
    clock.time += 90
    contact.lost("secrets", "ConnectError")
    assert list(contact.problems()) == ["kubernetes: secrets: unheard of for 90 s, the known stays: ConnectError"]
    assert contact.connected() == {"pods": True, "secrets": False}
    contact.made("secrets")
    assert list(contact.problems()) == []
    assert contact.connected() == {"pods": True, "secrets": True}


def test_a_reason_is_logged_once(caplog):
    contact = Contact(Clock())
    for _ in range(3):
        contact.lost("pods", "no answer in time")
    assert len(caplog.records) == 1
    contact.lost("pods", "Forbidden")
    assert len(caplog.records) == 2


def test_the_return_is_logged_with_how_long_it_took(caplog):
    caplog.set_level("INFO")
    clock = Clock()
    contact = Contact(clock)
    contact.made("pods")
    assert caplog.records == []
    contact.lost("pods", "no answer in time")
    clock.time += 2.5
    contact.made("pods")
    assert caplog.records[-1].fields == {"subject": "pods", "after_s": 2.5}


def test_what_nobody_follows_is_forgotten():
    contact = Contact(Clock())
    contact.lost("pods", "no answer in time")
    contact.ended("pods")
    contact.ended("pods")
    assert contact.connected() == {}
    assert list(contact.problems()) == []


@pytest.fixture
def soon(monkeypatch) -> float:
    monkeypatch.setattr(contact_module, "SOON_S", 0.01)
    return 0.01


async def test_who_pauses_is_woken_when_somebody_is_answered_again(soon):
    contact = Contact(monotonic)
    contact.lost("pods", "no answer in time")
    contact.lost("secrets", "no answer in time")
    pausing = asyncio.get_running_loop().create_task(contact.pause(3600))
    done, _ = await asyncio.wait({pausing}, timeout=10 * soon)
    assert not done
    contact.made("pods")
    async with asyncio.timeout(BOUND_S):
        await pausing
        await contact.pause(3600)  # a call that hung through the return ends only now


async def test_nothing_else_cuts_a_pause_short(soon):
    clock = Clock()
    contact = Contact(clock)
    contact.lost("pods", "no answer in time")
    contact.made("pods")
    clock.time += LATELY_S
    pausing = asyncio.get_running_loop().create_task(contact.pause(3600))
    await asyncio.wait({pausing}, timeout=10 * soon)
    contact.made("pods")  # it has been, all the time
    contact.lost("secrets", "Forbidden")
    contact.ended("pods")
    done, _ = await asyncio.wait({pausing}, timeout=10 * soon)
    assert not done
    pausing.cancel()
    await asyncio.wait({pausing})


async def test_a_pause_ends_by_itself(soon):
    async with asyncio.timeout(BOUND_S):
        await Contact(Clock()).pause(5 * soon)
