"""What is remembered of tokens: how long, how many, and by whom it is forgotten."""

import pytest

from router.core.credentials import bearer_digest, bearer_text
from router.core.token_ring import REMEMBERED_S, TokenRing
from router.core.tokens import Refusal

NOW = 1000.0
UNIX = 1_800_000_000.0


class Verifier:
    """Good is what says until when."""

    def __init__(self):
        self.asked = []

    def verify(self, text, unix_now):
        self.asked.append(text)
        return float(text) if text.isdigit() and float(text) > unix_now else Refusal.MALFORMED


def present(ring, text, now=NOW):
    """As an exchange does, with both clocks in step."""
    digest = bearer_digest(b"Bearer " + text)
    return ring.admits(digest, now) or ring.verifies(digest, text, now, UNIX + now - NOW)


def until(seconds):
    return b"%d" % (UNIX + seconds)


@pytest.fixture
def verifier():
    return Verifier()


def test_a_token_is_verified_once(verifier):
    ring = TokenRing(verifier)
    assert [present(ring, until(60)) for _ in range(3)] == [True] * 3
    assert verifier.asked == [until(60)]


def test_it_dies_with_the_token(verifier):
    ring = TokenRing(verifier)
    assert present(ring, until(60))
    assert present(ring, until(60), NOW + 59.9)
    assert not present(ring, until(60), NOW + 60)
    assert len(verifier.asked) == 2


def test_and_is_verified_anew_after_a_while_for_a_clock_may_have_been_set(verifier):
    ring = TokenRing(verifier)
    for now in (NOW, NOW + REMEMBERED_S - 0.1, NOW + REMEMBERED_S):
        assert present(ring, until(1e6), now)
    assert len(verifier.asked) == 2


def test_what_is_refused_is_not_remembered(verifier):
    ring = TokenRing(verifier)
    assert [present(ring, b"bad") for _ in range(2)] == [False, False]
    assert len(verifier.asked) == 2
    assert ring.remembered == 0


def test_only_so_many_are_remembered_and_first_those_that_are_over_go(verifier):
    ring = TokenRing(verifier, most=3)
    for seconds in (10, 20, 200):
        present(ring, until(seconds))
    present(ring, until(250), NOW + 30)
    assert ring.remembered == 2
    assert ring.admits(bearer_digest(b"Bearer " + until(200)), NOW + 30)
    present(ring, until(251), NOW + 30)
    present(ring, until(252), NOW + 30)
    assert ring.remembered == 1, "none was over: all went"


def test_nobody_is_not_known(verifier):
    assert not TokenRing(verifier).admits(None, NOW)


def test_its_text_shows_no_credential(verifier):
    ring = TokenRing(verifier)
    present(ring, until(60))
    assert repr(ring).endswith("remembered=1>")
    assert until(60).decode() not in repr(ring)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (b"Host: a\r\nAuthorization: Bearer abc", b"abc"),
        (b"host: a\r\nauthorization:bearer  abc \t\r\nx-more: Authorization: Bearer no", b"abc"),
        (b"Host: a\r\nX-Authorization: Bearer abc", b""),
        (b"Host: a\r\nAuthorization: Basic abc", b""),
    ],
)
def test_the_text_of_a_credential_is_found_in_what_was_received(lines, text):
    body = b"\r\n\r\n\r\nAuthorization: Bearer smuggled"
    assert bearer_text(b"POST / HTTP/1.1\r\n" + lines + body) == text
