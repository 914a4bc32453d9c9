import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.discovery.fixed import Address, FixedReplicas, Health, judge
from router.discovery.readiness import Verdict

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


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:5001", Address("127.0.0.1:5001", "127.0.0.1", 5001, False, "http://127.0.0.1:5001/up")),
        ("https://model.example.com/", Address("model.example.com:443", "model.example.com", 443, True, "https://model.example.com:443/up")),
        ("http://[::1]", Address("[::1]:80", "::1", 80, False, "http://[::1]:80/up")),
    ],
)  # fmt: skip
def test_addresses(url, address):
    assert Address.of(url, "/up") == address


class ScriptedProber:
    """Answers with what each port's script says next; the last word stays. Each probe can be waited for."""

    def __init__(self, **scripts: list[Verdict]) -> None:
        self.scripts = scripts

    async def probe(self, url: str) -> Verdict:
        script = self.scripts[url.removeprefix("http://127.0.0.1:").removesuffix("/")]
        return script.pop(0) if len(script) > 1 else script[0]


def fixed(roster, prober, *ports: str) -> FixedReplicas:
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    return FixedReplicas(
        urls,
        label="digits/blue",
        readiness_path="/",
        roster=roster,
        prober=prober,
        interval_s=0.001,
        first_retry_s=0.001,
    )


async def test_it_follows_the_probes_and_retires_all_in_the_end(roster, caplog):
    caplog.set_level("INFO")
    script = [REFUSED, READY, REFUSED, REFUSED, REFUSED, SILENT, READY]
    replicas = fixed(roster, ScriptedProber(**{"5001": script}), "5001", "5001")
    running = asyncio.get_running_loop().create_task(replicas.run())
    name = "127.0.0.1:5001"
    await roster.until(lambda: len(roster.calls) == 5)
    assert repr(replicas) == "<FixedReplicas digits/blue ready=1/1>"
    replicas.close()
    await running
    assert roster.calls == [
        ("expect", True),
        ("expect", False),
        ("add", name),
        ("retire", name),
        ("add", name),
        ("retire", name),
    ]
    assert caplog.text.count("is not ready (refused)") == 1
    await replicas.run()  # once closed, for ever


async def test_waiting_makes_sense_until_each_was_asked_once(roster):
    replicas = fixed(roster, ScriptedProber(**{"5001": [READY], "5002": [REFUSED]}), "5001", "5002")
    running = asyncio.get_running_loop().create_task(replicas.run())
    await roster.until(lambda: not roster.coming and len(roster.calls) == 3)
    assert roster.calls[0] == ("expect", True)
    assert roster.ready == {"127.0.0.1:5001": 5001}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert roster.ready == {}


async def test_a_busy_replica_may_be_silent(roster):
    prober = ScriptedProber(**{"5001": [READY, SILENT]})
    replicas = fixed(roster, prober, "5001")
    name = "127.0.0.1:5001"
    roster.requests[name] = 1
    running = asyncio.get_running_loop().create_task(replicas.run())
    await roster.until(lambda: name in roster.ready)
    for _ in range(100):
        await asyncio.sleep(0)
    assert name in roster.ready
    roster.finish(name)
    await roster.until(lambda: name not in roster.ready)
    replicas.close()
    await running


async def test_against_a_real_server(roster, prober, make):
    local = make()
    local.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    port = roster.ready["1"]
    other = type(roster)()
    replicas = FixedReplicas(
        [f"http://127.0.0.1:{port}"], label="digits/blue", readiness_path="/", roster=other, prober=prober,
        interval_s=0.02,
    )  # fmt: skip
    running = asyncio.get_running_loop().create_task(replicas.run())
    await other.until(lambda: bool(other.ready))
    await local.close()
    await other.until(lambda: not other.ready)
    replicas.close()
    await running


async def test_no_urls(roster):
    replicas = fixed(roster, ScriptedProber())
    roster.coming = True
    await replicas.run()
    assert roster.calls == [("expect", False)]
