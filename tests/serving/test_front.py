"""The routes and lanes of one worker, kept equal to what it is told."""

from pathlib import Path

import pytest

from router.core.credentials import bearer_digest
from router.core.heads import no_request
from router.model.spec import KeySource
from router.serving.messages import Configure, Forget, IssuerKeys, QueuePart, Served, Source, UnknownKey
from tests.core.test_outside_tokens import EC256, RSA
from tests.fakes.tokens import NOW, key_document, public_jwk, signed
from tests.serving.crew_stage import BLUE, GREEN, Side, endpoint

GROUPS = {"blue": BLUE, "green": GREEN}


@pytest.fixture
def side():
    side = Side()
    yield side
    side.side.close()


def configure(side, number, *versions, groups=GROUPS, **settings):
    source = Source(endpoint(versions, **settings), None, Path())
    side.tell(Configure(number, (Served("digits", source, {name: groups[name] for name in versions}),)))


def route(side, name="digits"):
    head = no_request()
    head.target, head.host = f"/api/v1/service/{name}/score".encode(), b"anything"
    match = side.tables[-1].find(head)
    return None if match is None else match[0]


def test_each_configuration_is_one_new_table(side):
    configure(side, 1, "blue")
    configure(side, 2, "blue", "green")
    assert len(side.tables) == 2
    assert set(route(side).versions) == {b"blue", b"green"}


def test_an_endpoint_that_is_not_mentioned_stays_the_same(side):
    configure(side, 1, "blue")
    before = route(side)
    side.tell(Configure(2, ()))
    assert route(side) is before


def test_a_version_that_is_not_served_any_more_keeps_its_lane_without_a_route(side):
    configure(side, 1, "blue", "green")
    lane = side.lane(GREEN)
    configure(side, 2, "blue")
    assert set(route(side).versions) == {b"blue"}
    assert side.lane(GREEN) is lane
    side.tell(Forget(GREEN))
    assert GREEN not in side.side.front.lanes


def test_a_version_under_another_group_has_a_lane_of_its_own(side):
    configure(side, 1, "blue")
    old = side.lane()
    configure(side, 2, "blue", groups={"blue": ("digits", "blue~2")})
    new = side.lane(("digits", "blue~2"))
    assert new is not old
    assert route(side).versions[b"blue"].admission is new.route.admission
    assert new.version == "blue", "as it is called on the page and by clients"
    assert new.route.recorder is not old.route.recorder


def test_a_removed_endpoint_that_comes_again_is_routed(side):
    configure(side, 1, "blue")
    side.tell(Configure(2, (), (endpoint(["blue"]).key,)))
    assert route(side) is None
    configure(side, 3, "blue")
    assert route(side) is not None


def test_the_part_of_the_queue_is_that_of_all_lanes_also_of_those_without_a_route(side):
    configure(side, 1, "blue", "green", maxQueueLength=9)
    configure(side, 2, "blue", maxQueueLength=9)
    side.tell(QueuePart(0, 2))
    assert [side.admission(group).limits.queue_length for group in (BLUE, GREEN)] == [5, 5]


SOURCE = KeySource("https://id.example", None)
OUTSIDE = "{mode: token, token: {issuer: 'https://id.example', audience: digits}}"
TOKEN = signed(RSA, {"iss": SOURCE.issuer, "aud": "digits", "exp": NOW + 3600}, kid="rsa")
RSA_KEYS = IssuerKeys(SOURCE, key_document(public_jwk(RSA, "rsa")))


def admitted(side):
    """Whether the token is known already, and whether it is good."""
    credentials, digest = route(side).credentials, bearer_digest(b"Bearer " + TOKEN)
    known = credentials.admits(digest, side.loop.now)
    return known, known or credentials.verifies(digest, TOKEN, side.loop.now, NOW)


def test_tokens_of_an_issuer_are_good_while_its_keys_are_known(side):
    configure(side, 1, "blue", auth=OUTSIDE)
    assert admitted(side) == (False, False), "nothing is known of it yet"
    side.tell(RSA_KEYS)
    assert [admitted(side) for _ in range(2)] == [(False, True), (True, True)]
    side.tell(IssuerKeys(SOURCE, key_document(public_jwk(EC256, "ec"))))
    assert admitted(side) == (False, False), "its key is gone, and what was remembered with it"


def test_keys_may_come_before_the_endpoint(side):
    side.tell(RSA_KEYS)
    assert side.tables == []
    configure(side, 1, "blue", auth=OUTSIDE)
    assert admitted(side) == (False, True)


def test_an_issuer_that_was_let_go_is_trusted_no_more(side):
    side.tell(RSA_KEYS)
    side.tell(IssuerKeys(SOURCE, None))
    configure(side, 1, "blue", auth=OUTSIDE)
    assert admitted(side) == (False, False)


def test_a_storm_of_unknown_keys_is_a_word_a_second(side):
    configure(side, 1, "blue", auth=OUTSIDE)
    side.taken()
    for _ in range(100):
        admitted(side)
    assert side.taken(UnknownKey) == [UnknownKey(SOURCE)]
    side.loop.run(1.0)
    admitted(side)
    assert side.taken(UnknownKey) == [UnknownKey(SOURCE)]


def test_keys_of_one_issuer_change_nothing_for_others(side):
    configure(side, 1, "blue")
    before = route(side)
    side.tell(RSA_KEYS)
    assert route(side) is before
