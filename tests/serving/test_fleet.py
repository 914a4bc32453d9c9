"""The configuration made live: what stays, what changes in place, what goes, and what the route table says of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import MappingProxyType

import pytest

from autoscaler.loop import AutoscalerLoop
from router.core.credentials import bearer_digest
from router.core.heads import RequestHead, no_request
from router.core.own_tokens import OwnTokens
from router.core.routes import RouteTable
from router.discovery.ports import Ports
from router.discovery.readiness import Verdict
from router.discovery.warden import Warden
from router.discovery.watchlist import Watchlist
from router.model.catalogue import Catalogue
from router.model.parsing import parse
from router.model.spec import KeySource
from router.serving.crew import Crew
from router.serving.data_side import DataSide
from router.serving.fleet import Fleet
from router.serving.local_link import LocalLink
from router.serving.replicas import Premises
from router.serving.scaling import ScaleRecorder
from router.serving.telling import tell_nobody
from router.serving.version import Surroundings
from router.store.certificates import Certificates
from router.store.configuration import Configuration
from router.store.keys import KeyPair, new_pair, rotated
from router.telemetry.source import Clients

TEXT = """
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {name: digits, namespace: NAMESPACE}
spec:
  auth: {mode: MODE}
  hosts: [digits.example.com]
  versions:
    - {name: blue, trafficPercentile: 80, isDefault: true, target: {urls: ["http://127.0.0.1:5001"]}}
    - {name: green, trafficPercentile: 20, target: {urls: ["http://127.0.0.1:5002"]}}
"""
UNIX = 1_800_000_000.0
KEYS = KeyPair("primary-key-0123", "secondary-key-0123")


class Issuers:
    """Notes whose keys are wanted."""

    def __init__(self):
        self.wanted, self.told = [], ()

    def want(self, sources):
        self.wanted.append(list(sources))

    def problems(self):
        return self.told


class Well:
    async def probe(self, url: str, tls: object = None) -> Verdict:
        return Verdict.READY


def configuration(text: str = TEXT, *, namespace: str = "default", mode: str = "key", keys=KEYS) -> Configuration:
    parsed = parse(text.replace("NAMESPACE", namespace).replace("MODE", mode), "digits.yaml")
    assert not parsed.problems
    endpoints = {endpoint.key: endpoint for endpoint in parsed.endpoints}
    directories = dict.fromkeys(endpoints, Path())
    pairs = dict.fromkeys(endpoints, keys) if keys else {}
    return Configuration(Catalogue(MappingProxyType(endpoints), MappingProxyType(directories)), pairs)


@pytest.fixture
async def tables() -> list[RouteTable]:
    return []


@pytest.fixture
async def side(tables) -> DataSide:
    """The one worker, here."""
    loop = asyncio.get_running_loop()
    crew = Crew(loop, loop.time, lambda _: None)
    link = LocalLink(crew)
    side = DataSide(
        loop,
        loop.time,
        Certificates(),
        say=link.say,
        publish=tables.append,
        clients=lambda: Clients(0, 0, 0),
        default_namespace="default",
    )
    side.crew = crew
    link.join(side)
    return side


@pytest.fixture
async def fleet(side) -> AsyncIterator[Fleet]:
    loop = asyncio.get_running_loop()
    watchlist = Watchlist(Well())
    premises = Premises(Warden(), Ports(), None, watchlist, Certificates(), drain_s=0.1)
    autoscaler = AutoscalerLoop(ScaleRecorder(tell_nobody), loop.time, asyncio.sleep)
    fleet = Fleet(Surroundings(loop, loop.time, premises, side.crew), autoscaler, Issuers())
    yield fleet
    await fleet.close(0.0)
    side.crew.close()
    side.close()
    await watchlist.close()
    await premises.warden.close()


def request(target: str, host: str = "anything") -> RequestHead:
    head = no_request()
    head.target, head.host = target.encode(), host.encode()
    return head


def found(table: RouteTable, target: str, host: str = "anything") -> tuple[str, bytes] | None:
    match = table.find(request(target, host))
    return None if match is None else (match[0].name, match[1])


async def test_names_and_hosts(fleet, tables):
    fleet.apply(configuration())
    assert found(tables[-1], "/api/v1/service/digits/score") == ("digits", b"/score")
    assert found(tables[-1], "/api/v1/service/digits.default/score") == ("digits", b"/score")
    assert found(tables[-1], "/any/path", host="digits.example.com") == ("digits", b"/any/path")
    assert found(tables[-1], "/api/v1/service/other/score") is None


async def test_other_namespaces_have_no_bare_name(fleet, tables):
    fleet.apply(configuration(namespace="team"))
    assert found(tables[-1], "/api/v1/service/digits/score") is None
    assert found(tables[-1], "/api/v1/service/digits.team/score") == ("digits.team", b"/score")


async def test_an_unchanged_endpoint_stays_the_same_object(fleet, tables):
    fleet.apply(configuration())
    before = tables[-1].find(request("/api/v1/service/digits/score"))
    fleet.apply(configuration())
    assert tables[-1].find(request("/api/v1/service/digits/score"))[0] is before[0]


async def test_a_version_that_stays_keeps_its_counts_and_queue(fleet, side):
    fleet.apply(configuration())
    blue, green = fleet.versions()
    fleet.apply(configuration(TEXT.replace("trafficPercentile: 80", "trafficPercentile: 50, maxQueueWaitMs: 7")))
    after = fleet.versions()
    assert [version.version for version in after] == ["blue", "green"]
    assert after == (blue, green)
    assert blue.metrics is after[0].metrics
    assert side.front.lanes[blue.group].route.admission.limits.queue_wait_s == 0.007
    assert [version.load().traffic_percentile for version in after] == [80, 20]


@pytest.mark.parametrize(
    ("mode", "keys", "credential", "admitted"),
    [
        ("key", KEYS, b"Bearer primary-key-0123", True),
        ("key", KEYS, b"bearer secondary-key-0123", True),
        ("key", KEYS, b"Bearer wrong-key-01234567", False),
        ("key", KEYS, None, False),
        ("key", None, b"Bearer primary-key-0123", False),  # the key file could not be read
        ("none", None, None, True),
        ("token", KEYS, b"Bearer primary-key-0123", False),  # it signs tokens, and is none
        ("token", None, b"Bearer anything", False),  # closed while it cannot be checked
    ],
)
async def test_who_is_admitted(fleet, tables, mode, keys, credential, admitted):
    fleet.apply(configuration(mode=mode, keys=keys))
    endpoint, _ = tables[-1].find(request("/api/v1/service/digits/score"))
    assert endpoint.credentials.admits(bearer_digest(credential), 0.0) is admitted


async def test_a_token_is_refused_as_soon_as_its_key_is_gone(fleet, tables):
    own = OwnTokens(KEYS.primary, KEYS.secondary, ("default", "digits"))
    token = own.issue(UNIX, 3600, "x").text.encode()
    digest = bearer_digest(b"Bearer " + token)

    def admitted() -> tuple[bool, bool]:
        endpoint, _ = tables[-1].find(request("/api/v1/service/digits/score"))
        known = endpoint.credentials.admits(digest, 0.0)
        return known, endpoint.credentials.verifies(digest, token, 0.0, UNIX)

    fleet.apply(configuration(mode="token"))
    assert [admitted() for _ in range(2)] == [(False, True), (True, True)]
    fleet.apply(configuration(mode="token", keys=rotated(KEYS)))
    assert admitted() == (False, True)
    fleet.apply(configuration(mode="token", keys=new_pair()))
    assert admitted() == (False, False)


async def test_issuers_that_endpoints_name_are_wanted_and_their_problems_told(fleet):
    issuer = "{mode: token, token: {issuer: 'https://id.example', audience: a}}"
    for text in (TEXT.replace("{mode: MODE}", issuer), TEXT):
        fleet.apply(configuration(text))
    issuers = fleet._issuers
    assert issuers.wanted == [[KeySource("https://id.example", None)], []]
    issuers.told = ("issuer https://id.example: down",)
    assert (fleet.problems(), fleet.config_problems()) == (issuers.told, 1)


async def test_what_has_no_effect_is_said(fleet, caplog):
    for _ in range(2):
        fleet.apply(configuration(TEXT.replace("isDefault: true", "isDefault: true, collectData: true")))
        assert "version blue: collectData is not supported yet: it has no effect" in caplog.text
        assert caplog.text.count("not supported yet") == 1, "once per change, not per reload"


SHADE = """
    - {name: shade, mirrorPercentile: 30, target: {urls: ["http://127.0.0.1:5003"]}}
"""


def mirrors(table: RouteTable) -> list[tuple[str, float]]:
    endpoint, _ = table.find(request("/api/v1/service/digits/score"))
    return [(mirror.version.name, mirror.share) for mirror in endpoint.mirrors]


async def test_a_mirror_gets_copies_and_no_share_of_the_traffic(fleet, side, tables):
    fleet.apply(configuration(TEXT.rstrip() + SHADE))
    endpoint, _ = tables[-1].find(request("/api/v1/service/digits/score"))
    assert mirrors(tables[-1]) == [("shade", 30.0)]
    assert {endpoint.pick(request("/"), u / 100).name for u in range(100)} == {"blue", "green"}
    assert [version.load().traffic_percentile for version in fleet.versions()] == [80, 20, 0]
    lanes = [side.front.lanes[version.group] for version in fleet.versions()]
    assert [lane.mirror_metrics is not None for lane in lanes] == [False, False, True]


async def test_a_mirror_that_becomes_live_and_a_mirror_again_counts_on(fleet, side, tables):
    fleet.apply(configuration(TEXT.rstrip() + SHADE))
    shade = side.front.lanes[fleet.versions()[2].group]
    metrics = shade.mirror_metrics
    fleet.apply(configuration(TEXT.rstrip() + SHADE.replace("mirrorPercentile: 30, ", "")))
    assert mirrors(tables[-1]) == []
    assert shade.mirror_metrics is metrics, "counters never fall"
    fleet.apply(configuration(TEXT.rstrip() + SHADE.replace("30", "5.5")))
    assert mirrors(tables[-1]) == [("shade", 5.5)]
    assert shade.mirror_metrics is metrics


async def test_a_removed_endpoint(fleet, tables):
    fleet.apply(configuration())
    fleet.apply(Configuration())
    assert found(tables[-1], "/api/v1/service/digits/score") is None
    assert fleet.versions() == ()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


async def test_urls_that_change_leave_no_gap(fleet):
    fleet.apply(configuration())
    blue = fleet.versions()[0]
    await until(lambda: blue.load().total == 1)
    fleet.apply(
        configuration(TEXT.replace('"http://127.0.0.1:5001"', '"http://127.0.0.1:5001", "http://127.0.0.1:5003"'))
    )
    assert blue.load().total == 1, "at once, in the same turn of the loop"
    await until(lambda: blue.load().total == 2)


async def test_a_missing_tls_file_is_a_problem_until_the_version_goes(fleet):
    text = TEXT.replace('["http://127.0.0.1:5001"]', '["https://127.0.0.1:5001"], tls: {caFile: none.pem}')
    fleet.apply(configuration(text))
    assert fleet.problems() == ("none.pem: cannot be read: No such file or directory",)
    assert fleet.config_problems() == 1
    fleet.apply(configuration())
    assert fleet.problems() == ()


async def test_ten_thousand_endpoints(fleet, tables):
    """All routed, and a reload of which only one changed touches only that one."""
    text = "---".join(TEXT.replace("digits", f"e{number:05}") for number in range(10_000))
    fleet.apply(configuration(text))
    assert len(tables[-1]) == 10_000
    assert found(tables[-1], "/api/v1/service/e09999/score") == ("e09999", b"/score")
