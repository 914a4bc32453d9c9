"""The router's own answers, read by h11: well framed, in JSON, with the headers of the contract."""

import h11
import orjson
import pytest

from router.errors import STATUS, Outcome
from router.proxy import answers

ANSWERED = [outcome for outcome in Outcome if STATUS[outcome] is not None]
ID = b"0b5cd3d1-6f2b-4f0e-9b7e-3d6f2a1c0e55"


def read(raw, method="GET"):
    """(status, reason, headers, body, does the connection persist)"""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    head = connection.next_event()
    body = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        body += event.data
    assert connection.trailing_data == (b"", False)
    names = [name for name, _ in head.headers]
    assert len(set(names)) == len(names)
    persists = connection.their_state is not h11.MUST_CLOSE
    return head.status_code, bytes(head.reason), dict(head.headers), body, persists


def error(outcome, message="because", *, lines=b"", keep_alive=True, head_only=False):
    return answers.error(outcome, message, ID, lines=lines, keep_alive=keep_alive, head_only=head_only)


@pytest.mark.parametrize("outcome", ANSWERED)
def test_an_error_says_what_is_wrong_and_in_which_request(outcome):
    status, reason, headers, body, persists = read(error(outcome))
    assert (status, reason) == (STATUS[outcome], STATUS[outcome].phrase.encode())
    assert orjson.loads(body) == {
        "error": {"code": str(outcome), "message": "because", "requestId": ID.decode()},
    }
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-request-id"] == headers[b"x-ms-request-id"] == ID
    assert persists


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.CLIENT_GONE])
def test_what_the_router_does_not_answer_has_no_answer(outcome):
    with pytest.raises(ValueError, match="is not answered by the router"):
        error(outcome)


@pytest.mark.parametrize("outcome", ANSWERED)
def test_retry_after_stands_where_waiting_a_second_helps(outcome):
    headers = read(error(outcome))[2]
    expected = b"1" if outcome in (Outcome.QUEUE_TIMEOUT, Outcome.QUEUE_FULL) else None
    assert headers.get(b"retry-after") == expected


@pytest.mark.parametrize("outcome", ANSWERED)
def test_only_who_lacks_a_credential_is_asked_for_one(outcome):
    headers = read(error(outcome))[2]
    assert headers.get(b"www-authenticate") == (b"Bearer" if outcome is Outcome.UNAUTHORIZED else None)


def test_the_last_answer_on_a_connection_says_so():
    _, _, headers, _, persists = read(error(Outcome.DRAINING, keep_alive=False))
    assert headers[b"connection"] == b"close"
    assert not persists


def test_more_lines_are_more_headers():
    headers = read(error(Outcome.QUEUE_FULL, lines=b"azureml-model-deployment: blue\r\n"))[2]
    assert headers[b"azureml-model-deployment"] == b"blue"


def test_a_head_request_gets_the_same_head_alone():
    whole, head = error(Outcome.NOT_FOUND), error(Outcome.NOT_FOUND, head_only=True)
    assert whole.startswith(head)
    assert head.endswith(b"\r\n\r\n")
    assert read(head, method="HEAD")[3] == b""


def test_a_message_may_be_anything():
    message = 'quotes " and \\ and\r\nlines and ümläute'
    assert orjson.loads(read(error(Outcome.BAD_REQUEST, message))[3])["error"]["message"] == message


def test_health_follows_draining():
    status, _, headers, body, persists = read(answers.health(draining=False, keep_alive=True, head_only=False))
    assert (status, orjson.loads(body), persists) == (200, {"status": "ok"}, True)
    assert headers[b"content-type"] == b"application/json"
    status, _, _, body, persists = read(answers.health(draining=True, keep_alive=False, head_only=False))
    assert (status, orjson.loads(body), persists) == (503, {"status": "draining"}, False)
    head = answers.health(draining=False, keep_alive=True, head_only=True)
    assert read(head, method="HEAD")[3] == b""
