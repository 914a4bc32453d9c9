"""The closed list of outcomes against the table of the contract (section 5): neither may have what the other lacks."""

import pytest

from router.errors import STATUS, MaitreError, MalformedMessage, Outcome, ReplicaFailed, SlotMisuse

CONTRACT = {
    "ok": None,
    "model_error": 502,
    "upstream_error": 502,
    "upstream_timeout": 504,
    "queue_timeout": 503,
    "queue_full": 503,
    "no_replicas": 503,
    "unauthorized": 401,
    "not_found": 404,
    "bad_request": 400,
    "head_too_large": 431,
    "body_too_large": 413,
    "request_timeout": 408,
    "client_gone": None,
    "draining": 503,
}
"""None: no answer of the router's own."""


def test_the_list_is_closed():
    assert {str(outcome) for outcome in Outcome} == set(CONTRACT)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_the_status_of_the_contract(outcome):
    assert STATUS[outcome] == CONTRACT[outcome]


def test_nothing_else_has_a_status():
    assert set(STATUS) == set(Outcome)


def test_outcomes_are_their_labels():
    assert all(outcome == outcome.value == str(outcome) for outcome in Outcome)


@pytest.mark.parametrize("error", [MalformedMessage, SlotMisuse, ReplicaFailed])
def test_every_error_is_of_the_tree(error):
    assert issubclass(error, MaitreError)


def test_a_malformed_message_says_what_to_answer():
    assert MalformedMessage("why").outcome is Outcome.BAD_REQUEST
    assert MalformedMessage("why", Outcome.HEAD_TOO_LARGE).outcome is Outcome.HEAD_TOO_LARGE
    assert str(MalformedMessage("why")) == "why"
