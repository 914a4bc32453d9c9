"""The handshake and the seals, against a peer without the key and hands between two peers that have it."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.coord import handshake
from router.coord.handshake import KEY_BYTES, Handshake, HandshakeFailed, Key, Seal

KEY = Key(b"k" * 32)
OTHER_KEY = Key(b"o" * 32)


def challenge(letter):
    return letter.encode() * 32


def sides(member_key=KEY, coordinator_key=KEY):
    member = Handshake("member", "maitre-1_a", member_key, challenge("m"))
    coordinator = Handshake("coordinator", "maitre-0_b", coordinator_key, challenge("c"))
    return member, coordinator


def finished():
    member, coordinator = sides()
    proof = member.take(coordinator.take(member.opening))
    assert coordinator.take(proof) == b""
    return member, coordinator


def shake_hands(member, coordinator, pass_on):
    answer = coordinator.take(pass_on(member.opening, 0))
    coordinator.take(pass_on(member.take(pass_on(answer, 1)), 2))


def test_two_that_have_the_key_know_each_other():
    member, coordinator = finished()
    assert (member.done, member.peer) == (True, "maitre-0_b")
    assert (coordinator.done, coordinator.peer) == (True, "maitre-1_a")
    (sends, opens), (answers, hears) = member.seals(), coordinator.seals()
    assert hears.open(sends.seal(b"[]")) == b"[]"
    assert opens.open(answers.seal(b"[1]")) == b"[1]"


def test_a_coordinator_without_the_key_is_found_out_before_anything_is_proven_to_it():
    member, coordinator = sides(coordinator_key=OTHER_KEY)
    with pytest.raises(HandshakeFailed, match="has not proven"):
        member.take(coordinator.take(member.opening))
    assert not member.done


def test_a_member_without_the_key_is_found_out():
    member, coordinator = sides(member_key=OTHER_KEY)
    coordinator.take(member.opening)
    member._key = OTHER_KEY
    forged = Handshake("coordinator", "maitre-0_b", OTHER_KEY, challenge("c"))
    with pytest.raises(HandshakeFailed, match="has not proven"):
        coordinator.take(member.take(forged.take(member.opening)))
    assert not coordinator.done


@given(st.integers(0, 2), st.data())
def test_one_changed_bit_of_the_handshake_ends_it(which, data):
    member, coordinator = sides()

    def pass_on(content, turn):
        if turn != which:
            return content
        at = data.draw(st.integers(0, len(content) * 8 - 1))
        changed = bytearray(content)
        changed[at // 8] ^= 1 << at % 8
        return bytes(changed)

    with pytest.raises(HandshakeFailed):
        shake_hands(member, coordinator, pass_on)


@given(st.integers(0, 2), st.data())
def test_a_handshake_that_is_cut_does_not_succeed(which, data):
    member, coordinator = sides()

    def pass_on(content, turn):
        return content if turn != which else content[: data.draw(st.integers(0, len(content) - 1))]

    with pytest.raises(HandshakeFailed):
        shake_hands(member, coordinator, pass_on)


def test_a_whole_connection_that_is_played_again_gets_nowhere():
    member, coordinator = sides()
    opening = member.opening
    proof = member.take(coordinator.take(opening))
    again = Handshake("coordinator", "maitre-0_b", KEY, challenge("d"))
    again.take(opening)
    with pytest.raises(HandshakeFailed):
        again.take(proof)


def test_a_proof_that_is_sent_back_proves_nothing():
    """Who has no key asks the other side for the proof that it needs itself."""
    victim = Handshake("coordinator", "maitre-0_b", KEY, challenge("c"))
    answer = victim.take(Handshake("member", "x", OTHER_KEY, challenge("c")).opening)
    with pytest.raises(HandshakeFailed):
        victim.take(answer[-32:])


def test_another_version_is_refused_by_name(monkeypatch):
    member, _ = sides()
    monkeypatch.setattr(handshake, "VERSION", 2)
    newer = Handshake("coordinator", "maitre-0_b", KEY, challenge("c"))
    with pytest.raises(HandshakeFailed, match="version 1 of the protocol; this router speaks 2"):
        newer.take(member.opening)


def test_a_version_cannot_be_talked_down(monkeypatch):
    """Two that speak version 2, and somebody between them who tells each that the other speaks version 1."""
    monkeypatch.setattr(handshake, "VERSION", 2)
    member, coordinator = sides()
    at = len(handshake.PROTOCOL)
    with pytest.raises(HandshakeFailed, match="version 1"):
        coordinator.take(member.opening[:at] + b"\x01" + member.opening[at + 1 :])


def test_another_protocol_is_refused():
    _, coordinator = sides()
    with pytest.raises(HandshakeFailed, match="does not speak"):
        coordinator.take(b"GET / HTTP/1.1\r\n\r\n")


def test_both_directions_and_every_connection_have_their_own_seals():
    member, coordinator = finished()
    sealed = member.seals()[0].seal(b"[]")
    with pytest.raises(HandshakeFailed):
        member.seals()[1].open(sealed)
    other = Handshake("coordinator", "maitre-0_b", KEY, challenge("d"))
    again = Handshake("member", "maitre-1_a", KEY, challenge("m"))
    other.take(again.take(other.take(again.opening)))
    with pytest.raises(HandshakeFailed):
        other.seals()[1].open(sealed)
    assert coordinator.seals()[1].open(sealed) == b"[]"


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=6, unique=True), st.data())
def test_a_frame_that_is_left_out_doubled_or_moved_ends_the_stream(sent, data):
    seals, opens = Seal(b"s" * 32), Seal(b"s" * 32)
    stream = [seals.seal(body) for body in sent]
    order = data.draw(st.lists(st.sampled_from(range(len(sent))), min_size=1, max_size=8))
    right = 0
    while right < len(order) and order[right] == right:
        assert opens.open(stream[right]) == sent[right]
        right += 1
    if right < len(order):
        with pytest.raises(HandshakeFailed, match="seal"):
            opens.open(stream[order[right]])


@given(st.binary(max_size=30), st.data())
def test_one_changed_bit_of_a_frame_breaks_its_seal(body, data):
    sealed = bytearray(Seal(b"s" * 32).seal(body))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(HandshakeFailed):
        Seal(b"s" * 32).open(bytes(sealed))


@given(st.binary(max_size=200))
def test_nothing_but_handshake_failed_comes_of_nonsense(content):
    for side in sides():
        with pytest.raises(HandshakeFailed):
            side.take(content)


def test_a_key_that_could_be_guessed_is_refused_and_none_is_ever_shown(caplog):
    with pytest.raises(ValueError, match=f"at least {KEY_BYTES}") as refusal:
        Key(b"secret")
    assert "secret" not in str(refusal.value)
    key = Key(b"secret" * 6)
    side = Handshake("member", "maitre-1_a", key, challenge("m"))
    logging.getLogger("maitre.coord").warning("%r %r %r", key, side, Seal(b"secret" * 6))
    assert "secret" not in caplog.text
