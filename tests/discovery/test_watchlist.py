import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.discovery.readiness import Verdict
from router.discovery.watchlist import Address, Health, Watchlist, judge

READY, REFUSED, SILENT = Verdict.READY, Verdict.REFUSED, Verdict.SILENT


@pytest.mark.parametrize(
    ("probes", "ready"),
    [
        ([], False),
        ([(READY, 0)], True),
        ([(REFUSED, 0)], False),
        ([(READY, 0), (REFUSED, 0), (REFUSED, 0)], True),
        ([(READY, 0), (REFUSED, 0), (REFUSED, 0), (REFUSED, 0)], False),
        ([(READY, 0), (REFUSED, 0), (REFUSED, 0), (READY, 0), (REFUSED, 0)], True),
        ([(READY, 0), (SILENT, 0), (SILENT, 0), (SILENT, 0)], False),
        ([(READY, 0), *[(SILENT, 1)] * 9], True),  # busy, not dead
        ([(READY, 0), (REFUSED, 1), (REFUSED, 1), (REFUSED, 1)], False),
        ([(READY, 0), (REFUSED, 0), (REFUSED, 0), (SILENT, 1), (REFUSED, 0)], False),
        ([(READY, 0), *[(REFUSED, 0)] * 3, (READY, 0)], True),
    ],
)
def test_three_strikes(probes, ready):
    health = Health()
    for verdict, held in probes:
        health = judge(health, verdict, held)
    assert health.ready is ready


@given(st.builds(Health, st.booleans(), st.integers(0, 2)), st.sampled_from(Verdict), st.integers(0, 3))
def test_one_probe(before, verdict, held):
    after = judge(before, verdict, held)
    assert after.strikes < 3
    if verdict is READY:
        assert after == Health(ready=True)
    if verdict is SILENT and held:
        assert after == before
    if not before.ready:
        assert after.ready is (verdict is READY)


TLS = object()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:5001", Address("127.0.0.1:5001", "127.0.0.1", 5001, None, "http://127.0.0.1:5001/up")),
        ("https://model.example.com/", Address("model.example.com:443", "model.example.com", 443, TLS, "https://model.example.com:443/up")),
        ("http://[::1]", Address("[::1]:80", "::1", 80, None, "http://[::1]:80/up")),
    ],
)  # fmt: skip
def test_addresses(url, address):
    assert Address.of(url, "/up", TLS) == address


def test_https_is_never_reached_in_the_clear():
    with pytest.raises(ValueError, match="over TLS"):
        Address.of("https://model.example.com", "/")


class Prober:
    """Answers `READY` for the urls in `well`; counts, and can be waited for."""

    def __init__(self, *well: str) -> None:
        self.well = set(well)
        self.probed: Counter[str] = Counter()
        self._more = asyncio.Event()

    async def probe(self, url: str, tls: object = None) -> Verdict:
        await asyncio.sleep(0)
        self.probed[url] += 1
        self._more.set()
        return READY if url in self.well else REFUSED

    async def times(self, url: str, count: int) -> None:
        async with asyncio.timeout(5):
            while self.probed[url] < count:
                self._more.clear()
                await self._more.wait()


class Subscriber:
    def __init__(self) -> None:
        self.told: list[str] = []

    def held(self, address: Address) -> int:
        return 0

    def ready(self, address: Address) -> None:
        self.told.append("ready")

    def lost(self, address: Address) -> None:
        self.told.append("lost")

    def asked(self, address: Address, verdict: Verdict) -> None:
        self.told.append(f"asked {verdict.value}")


URL = "http://127.0.0.1:5001/"
ADDRESS = Address.of(URL, "/")


@pytest.fixture
async def prober() -> Prober:
    return Prober(URL)


@pytest.fixture
async def watchlist(prober) -> AsyncIterator[Watchlist]:
    watchlist = Watchlist(prober, interval_s=0.001, first_retry_s=0.001, pace_s=0.0)
    yield watchlist
    await watchlist.close()


async def test_one_probe_serves_all_who_ask(prober, watchlist):
    first, second, late = Subscriber(), Subscriber(), Subscriber()
    watchlist.subscribe(ADDRESS, first)
    watchlist.subscribe(ADDRESS, second)
    await prober.times(URL, 1)
    await prober.times(URL, 2)
    assert first.told == second.told == ["ready", "asked ready"]
    watchlist.subscribe(ADDRESS, late)
    assert late.told == ["ready"], "known at once, without a probe"
    assert repr(watchlist) == "<Watchlist ready=1/1>"


async def test_nobody_asks_nobody_probes(prober, watchlist):
    subscriber = Subscriber()
    watchlist.subscribe(ADDRESS, subscriber)
    await prober.times(URL, 1)
    watchlist.unsubscribe(ADDRESS, subscriber)
    before = prober.probed[URL]
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert prober.probed[URL] <= before + 1
    assert repr(watchlist) == "<Watchlist ready=0/0>"


async def test_a_lost_replica_is_told_and_told_again_when_it_is_back(prober, watchlist):
    subscriber = Subscriber()
    watchlist.subscribe(ADDRESS, subscriber)
    await prober.times(URL, 2)
    prober.well.clear()
    count = prober.probed[URL]
    await prober.times(URL, count + 5)
    prober.well.add(URL)
    await prober.times(URL, prober.probed[URL] + 2)
    assert subscriber.told == ["ready", "asked ready", "lost", "ready"]


async def test_many_share_one_pace():
    """A thousand ready addresses are probed at once in the first round, then together no faster than the pace."""
    urls = [f"http://127.0.0.1:{port}/" for port in range(10_000, 11_000)]
    prober, subscriber = Prober(*urls), Subscriber()
    watchlist = Watchlist(prober, interval_s=0.001, first_retry_s=0.001, pace_s=1.0)
    for url in urls:
        watchlist.subscribe(Address.of(url, "/"), subscriber)
    for url in urls:
        await prober.times(url, 1)
    await asyncio.sleep(0.05)
    assert repr(watchlist) == "<Watchlist ready=1000/1000>"
    assert sum(prober.probed.values()) < 1100, "the next round is a thousand seconds away"
    await watchlist.close()
