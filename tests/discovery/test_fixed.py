from router.discovery.fixed import FixedReplicas
from router.discovery.readiness import Verdict
from router.discovery.watchlist import Watchlist

READY, REFUSED, SILENT = Verdict.READY, Verdict.REFUSED, Verdict.SILENT


class ScriptedProber:
    """Answers with what each port's script says next; the last word stays."""

    def __init__(self, **scripts: list[Verdict]) -> None:
        self.scripts = scripts

    async def probe(self, url: str, tls: object = None) -> Verdict:
        script = self.scripts[url.removeprefix("http://127.0.0.1:").removesuffix("/")]
        return script.pop(0) if len(script) > 1 else script[0]


class AnyProber:
    async def probe(self, url: str, tls: object) -> Verdict:
        return READY


class Fixed(FixedReplicas):
    """With its ports, for shorter tests."""

    def __init__(self, roster, watchlist: Watchlist, ports: tuple[str, ...]) -> None:
        super().__init__(label="digits/blue", roster=roster, watchlist=watchlist)
        self.ports = ports

    def open(self) -> None:
        self.follow([f"http://127.0.0.1:{port}" for port in self.ports], "/")

    def close(self) -> None:
        self.follow((), "/")


def fixed(roster, prober, *ports: str, watchlist: Watchlist | None = None) -> Fixed:
    return Fixed(roster, watchlist or Watchlist(prober, interval_s=0.001, first_retry_s=0.001, pace_s=0.0), ports)


async def test_it_follows_the_probes_and_retires_all_in_the_end(roster, caplog):
    caplog.set_level("INFO")
    script = [REFUSED, READY, REFUSED, REFUSED, REFUSED, SILENT, READY]
    replicas = fixed(roster, ScriptedProber(**{"5001": script}), "5001", "5001")
    replicas.open()
    name = "127.0.0.1:5001"
    await roster.until(lambda: len(roster.calls) == 5)
    assert repr(replicas) == "<FixedReplicas digits/blue ready=1/1>"
    replicas.close()
    assert roster.calls == [
        ("expect", True),
        ("expect", False),
        ("add", name),
        ("retire", name),
        ("add", name),
        ("retire", name),
    ]
    assert caplog.text.count("is not ready (refused)") == 1


async def test_waiting_makes_sense_until_each_was_asked_once(roster):
    replicas = fixed(roster, ScriptedProber(**{"5001": [READY], "5002": [REFUSED]}), "5001", "5002")
    replicas.open()
    await roster.until(lambda: not roster.coming and len(roster.calls) == 3)
    assert roster.calls[0] == ("expect", True)
    assert roster.ready == {"127.0.0.1:5001": 5001}
    replicas.close()
    assert roster.ready == {}


async def test_closed_before_the_first_answer_nothing_is_expected_any_more(roster):
    replicas = fixed(roster, ScriptedProber(**{"5001": [READY]}), "5001")
    replicas.open()
    replicas.close()
    assert roster.calls == [("expect", True), ("expect", False)]


async def test_a_busy_replica_may_be_silent(roster):
    name = "127.0.0.1:5001"
    roster.requests[name] = 1
    prober = ScriptedProber(**{"5001": [READY, *[SILENT] * 10, REFUSED]})
    replicas = fixed(roster, prober, "5001")
    replicas.open()
    await roster.until(lambda: ("retire", name) in roster.calls)
    assert prober.scripts["5001"] == [REFUSED], "ten silences did no harm"
    replicas.close()


async def test_what_two_lists_have_in_common_stays(roster):
    """No request can find the roster empty, and no probe starts anew."""
    watchlist = Watchlist(ScriptedProber(**{"5001": [READY], "5002": [READY]}), pace_s=0.0)
    replicas = fixed(roster, None, "5001", watchlist=watchlist)
    replicas.open()
    await roster.until(lambda: bool(roster.ready))
    replicas.ports = ("5001", "5002")
    replicas.open()
    assert roster.ready == {"127.0.0.1:5001": 5001}
    await roster.until(lambda: len(roster.ready) == 2)
    replicas.ports = ("5002",)
    replicas.open()
    assert roster.ready == {"127.0.0.1:5002": 5002}
    assert roster.calls.count(("add", "127.0.0.1:5001")) == 1
    replicas.close()
    await watchlist.close()


async def test_other_terms_of_tls_are_other_connections(roster):
    """The replica is off the roster until it was asked on the new terms; who shares the old ones keeps them."""
    watchlist = Watchlist(AnyProber(), pace_s=0.0)
    replicas = fixed(roster, None, watchlist=watchlist)
    for tls in ("old terms", "new terms"):
        replicas.follow(["https://127.0.0.1:5001", "http://127.0.0.1:5002"], "/", tls)
        await roster.until(lambda: len(roster.ready) == 2)
        assert roster.tls == {"127.0.0.1:5001": tls, "127.0.0.1:5002": None}
    assert roster.calls.count(("retire", "127.0.0.1:5001")) == 1
    assert roster.calls.count(("add", "127.0.0.1:5002")) == 1
    replicas.close()
    await watchlist.close()


async def test_no_urls(roster):
    replicas = fixed(roster, ScriptedProber())
    replicas.open()
    replicas.close()
    assert roster.calls == []


async def test_against_a_real_server(roster, prober, make):
    local = make()
    local.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    other = type(roster)()
    watchlist = Watchlist(prober, interval_s=0.02, pace_s=0.0)
    replicas = fixed(other, None, str(roster.ready["1"]), watchlist=watchlist)
    replicas.open()
    await other.until(lambda: bool(other.ready))
    await local.close()
    await other.until(lambda: not other.ready)
    replicas.close()
    await watchlist.close()
