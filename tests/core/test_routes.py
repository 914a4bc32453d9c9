"""Routes: from a head to an endpoint, a version and a path; the same cost and the same answer among ten thousand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.admission import Admission, Limits
from router.core.credentials import NoCredentials
from router.core.heads import parse_request
from router.core.routes import EndpointRoute, MirrorRoute, RouteTable, VersionRoute
from router.core.traffic import Split
from router.errors import Outcome


class Counted:
    """A recorder of endpoints and of versions."""

    def __init__(self):
        self.seen = []

    def finished(self, *what):
        self.seen.append(what)


def version(name="blue", scoring_path="/score", **settings):
    return VersionRoute(
        endpoint="digits",
        name=name,
        admission=Admission(Limits()),
        recorder=Counted(),
        scoring_path=scoring_path,
        scoring_timeout_s=60.0,
        **settings,
    )


def endpoint(name="digits", recorder=None, sticky_header=None, **shares):
    shares = shares or {"blue": 100}
    versions = {each: version(each) for each in shares}
    return EndpointRoute(
        name=name,
        credentials=NoCredentials(),
        versions=versions,
        split=Split(versions, shares, next(iter(shares))),
        recorder=recorder or Counted(),
        sticky_header=sticky_header,
    )


def mirrored(*shares):
    """An endpoint with a live version, and mirrors m0, m1, … of these shares."""
    mirrors = [MirrorRoute(version(f"m{index}"), share, Counted()) for index, share in enumerate(shares)]
    blue = version("blue")
    return EndpointRoute(
        name="digits",
        credentials=NoCredentials(),
        versions={"blue": blue} | {mirror.version.name: mirror.version for mirror in mirrors},
        split=Split({"blue": blue}, {"blue": 100}, "blue"),
        recorder=Counted(),
        mirrors=mirrors,
    )


def copied(route, draws, *lines):
    return [mirror.version.name for mirror in route.mirrors_for(get(b"/", *lines), draws)]


def get(target, *lines, host=b"router:8080"):
    raw = b"\r\n".join([b"GET %b HTTP/1.1" % target, b"host: %b" % host, *lines, b"", b""])
    return parse_request(raw, len(raw), 100)


def found(table, target, host=b"router:8080"):
    answer = table.find(get(target, host=host))
    return answer and (answer[0].name, answer[1])


# -- look-up

COUNT = 10_000


@pytest.fixture(scope="module")
def table():
    """Names in the default namespace and in another one, and a host for each."""
    by_name, by_host = {}, {}
    for n in range(COUNT):
        route = endpoint(f"e{n}" if n % 2 else f"e{n}.team")
        by_name[f"e{n}.default" if n % 2 else f"e{n}.team"] = route
        if n % 2:
            by_name[f"e{n}"] = route
        by_host[f"e{n}.example.com"] = route
    return RouteTable(by_name, by_host)


@pytest.mark.parametrize("n", [0, 1, 4999, 5000, COUNT - 2, COUNT - 1])
def test_one_of_ten_thousand(table, n):
    name = f"e{n}" if n % 2 else f"e{n}.team"
    namespace = "default" if n % 2 else "team"
    expected = (name, b"/score")
    assert found(table, b"/api/v1/service/%b/score" % name.encode()) == expected
    assert found(table, b"/api/v1/service/e%d.%b/score" % (n, namespace.encode())) == expected
    assert found(table, b"/score", host=b"e%d.example.com" % n) == expected


def test_every_one_of_them(table):
    assert len(table) == COUNT
    for n in range(COUNT):
        name = f"e{n}" if n % 2 else f"e{n}.team"
        assert found(table, b"/api/v1/service/%b/x" % name.encode()) == (name, b"/x")


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/score",
        b"/healthz",
        b"/api/v1/service",
        b"/api/v1/service/",
        b"/api/v1/service/e1",  # no rest: not even a slash
        b"/api/v1/service/e1?x=/y",
        b"/api/v1/service//score",
        b"/api/v1/service/e0/score",  # in another namespace: the bare name is not its
        b"/api/v1/service/e0.default/score",
        b"/api/v1/service/e10000/score",
        b"/api/v1/service/E1/score",
        b"/api/v1/service/%651/score",  # never decoded
        b"/api/v1/service/e1%2fscore",
        b"/api/v1/service/e1./score",
        b"/api/v2/service/e1/score",
        b"/API/v1/service/e1/score",
        b"//api/v1/service/e1/score",
        b"/x/api/v1/service/e1/score",
    ],
)
def test_what_is_no_endpoint_is_not_found(table, target):
    assert table.find(get(target)) is None


@pytest.mark.parametrize(
    ("target", "rest"),
    [
        (b"/api/v1/service/e1/", b"/"),
        (b"/api/v1/service/e1/score?a=b/c", b"/score?a=b/c"),
        (b"/api/v1/service/e1/v1/chat/completions", b"/v1/chat/completions"),
        (b"/api/v1/service/e1//a", b"//a"),
        (b"/api/v1/service/e1/%2F%41", b"/%2F%41"),
        (b"http://elsewhere/api/v1/service/e1/score", b"/score"),
    ],
)
def test_the_rest_of_the_path_is_what_the_client_sent(table, target, rest):
    assert found(table, target) == ("e1", rest)


@pytest.mark.parametrize(
    "host",
    [
        b"e1.example.com",
        b"E1.Example.COM",
        b"e1.example.com:8080",
        b"e1.example.com:",  # RFC 3986 section 3.2.3: the port may be empty
        b"e1.example.com.",
        b"E1.example.com.:443",
    ],
)
def test_a_host_in_all_its_spellings_forwards_every_path(table, host):
    assert found(table, b"/healthz", host=host) == ("e1", b"/healthz")
    assert found(table, b"/api/v1/service/e3/score", host=host) == ("e1", b"/api/v1/service/e3/score")


@pytest.mark.parametrize(
    "host",
    [b"", b"example.com", b"x.e1.example.com", b"[::1]:80", b":80"],
)
def test_other_hosts_claim_nothing(table, host):
    assert found(table, b"/api/v1/service/e1/score", host=host) == ("e1", b"/score")


def test_hosts_may_be_addresses():
    table = RouteTable({}, {"[::1]": endpoint("six"), "127.0.0.1": endpoint("four")})
    assert found(table, b"/", host=b"[::1]") == ("six", b"/")
    assert found(table, b"/", host=b"[::1]:8080") == ("six", b"/")
    assert found(table, b"/", host=b"127.0.0.1:8080") == ("four", b"/")


def test_the_target_decides_where_it_names_a_host(table):
    assert found(table, b"http://e3.example.com/x", host=b"e1.example.com") == ("e3", b"/x")


def test_an_empty_table_finds_nothing():
    table = RouteTable()
    assert table.find(get(b"/api/v1/service/e1/score")) is None
    assert len(table) == 0


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        (b"/score", b"/predict"),
        (b"/score?a=b", b"/predict?a=b"),
        (b"/score?", b"/predict?"),
        (b"/score/", b"/score/"),
        (b"/scores", b"/scores"),
        (b"/swagger.json", b"/swagger.json"),
        (b"/", b"/"),
    ],
)
def test_score_becomes_the_scoring_path_and_nothing_else_does(rest, path):
    assert version(scoring_path="/predict").path_for(rest) == path


def test_the_percentiles_pick():
    route = endpoint(blue=80, green=20)
    assert [route.pick(get(b"/"), u).name for u in (0.0, 0.799, 0.8, 0.999)] == ["blue", "blue", "green", "green"]


@pytest.mark.parametrize("value", [b"green", b"green \t"])
def test_a_pin_picks_whatever_the_percentiles_say(value):
    route = endpoint(blue=100, green=0, sticky_header="x-user-id")
    head = get(b"/", b"Azureml-Model-Deployment: " + value, b"x-user-id: 1")
    assert route.pick(head, 0.0).name == "green"


@pytest.mark.parametrize("value", [b"", b"red", b"Green", b"green, blue"])
def test_a_pin_on_nothing_picks_nothing(value):
    assert endpoint(blue=100, green=0).pick(get(b"/", b"azureml-model-deployment: " + value), 0.0) is None


def picked(route, *lines):
    return {route.pick(get(b"/", *lines), u / 10).name for u in range(10)}


def test_a_sticky_value_picks_the_same_version_however_it_is_written():
    route = endpoint(blue=50, green=50, sticky_header="X-User-Id")
    for user in range(20):
        spellings = [b"x-user-id: u%d" % user, b"X-USER-ID:\tu%d \t" % user]
        assert len({name for line in spellings for name in picked(route, b"a: b", line)}) == 1
    assert len({name for user in range(20) for name in picked(route, b"x-user-id: u%d" % user)}) == 2


def test_without_a_sticky_value_the_percentiles_pick():
    route = endpoint(blue=50, green=50, sticky_header="x-user-id")
    assert picked(route, b"x-user-id-2: a", b"a: x-user-id: b") == {"blue", "green"}


@pytest.mark.parametrize("header", ["x-forwarded-for", "X-MS-Client-Principal", "authorization", "traceparent"])
def test_a_field_that_the_router_reads_itself_sticks_as_well(header):
    route = endpoint(blue=50, green=50, sticky_header=header)
    names = [picked(route, b"%b: u%d" % (header.encode(), user)) for user in range(20)]
    assert all(len(each) == 1 for each in names)
    assert set.union(*names) == {"blue", "green"}


def test_a_version_knows_its_header():
    assert version("blue").header_line == b"azureml-model-deployment: blue\r\n"
    assert version("blue").header == b"\r\nazureml-model-deployment: blue"


def test_a_version_tells_whoever_wants_to_know_that_load_rose():
    told = []
    version(load_rose=lambda: told.append(1)).load_rose()
    version().load_rose()
    assert told == [1]


def test_before_a_version_is_picked_the_endpoint_counts():
    recorder = Counted()
    unpicked = endpoint(recorder=recorder).unpicked
    unpicked.recorder.finished(Outcome.UNAUTHORIZED, 401, 0.5, -1.0, -1.0, 0.5)
    assert recorder.seen == [(Outcome.UNAUTHORIZED, 401, 0.5)]
    assert (unpicked.endpoint, unpicked.name, unpicked.header, unpicked.header_line) == ("digits", "", b"", b"")
    assert unpicked.admission.total == 0


# -- mirrors -----------------------------------------------------------------------------------------------------------


def test_an_endpoint_without_mirrors_copies_nothing():
    assert endpoint().mirrors == ()
    assert copied(endpoint(), []) == []


@pytest.mark.parametrize(
    ("draws", "names"),
    [
        ((0.0, 0.0, 0.0), ["m0", "m1", "m2"]),
        ((0.299, 0.3, 0.999), ["m0", "m2"]),
        ((0.3, 0.29, 0.999), ["m1", "m2"]),
        ((1 - 2**-53, 0.3, 1 - 2**-53), ["m2"]),
    ],
)
def test_each_mirror_draws_for_itself(draws, names):
    assert copied(mirrored(30.0, 30.0, 100.0), draws) == names


@given(st.floats(0.0, 100.0, exclude_min=True), st.integers(1, 1000))
def test_a_mirror_gets_its_share(share, requests):
    """Of equidistant draws: at most one request more or less than the share says, and all of them at 100."""
    route = mirrored(share)
    copies = sum(len(copied(route, [place / requests])) for place in range(requests))
    assert abs(copies - requests * share / 100) <= 1
    assert (copies == requests) or share < 100


@pytest.mark.parametrize(
    "lines",
    [
        [b"azureml-model-deployment: blue"],
        [b"Azureml-Model-Deployment: m0"],
        [b"connection: upgrade", b"upgrade: websocket"],
    ],
)
def test_a_pinned_request_and_an_upgrade_are_not_copied(lines):
    assert copied(mirrored(100.0), [0.0], *lines) == []


def test_an_upgrade_that_is_ignored_is_a_request_like_any_other():
    assert copied(mirrored(100.0), [0.0], b"upgrade: h2c") == ["m0"]


def test_a_mirror_is_picked_only_by_a_pin():
    route = mirrored(100.0)
    assert {route.pick(get(b"/"), u / 100).name for u in range(100)} == {"blue"}
    assert route.pick(get(b"/", b"azureml-model-deployment: m0"), 0.0).name == "m0"
