"""What goes wrong on the way, in plain words."""

import socket
import subprocess
import sys
import threading

import pytest

from router.client import (
    AsyncMaitre,
    Forbidden,
    Maitre,
    Misused,
    NotFound,
    NotUnderstood,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from router.client.errors import Failed, Invalid, Refused, refusal


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server):
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_nobody_listens(connect):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = address(bound)
        with pytest.raises(Unreachable, match=f"nobody answers at {url}") as caught:
            connect(url).list()
    assert (caught.value.code, caught.value.status) == ("unreachable", None)


def test_no_answer_in_time(connect, listening):
    with pytest.raises(TimedOut, match=r"did not answer within 0\.05 s"):
        connect(address(listening), timeout_s=0.05).list()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", Unreachable),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", Unreachable),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html", NotUnderstood),
        (b"HTTP/1.1 404 No\r\ncontent-length: 5\r\n\r\n<html", NotUnderstood),
        (b"HTTP/1.1 302 Away\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n", NotUnderstood),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"a": 1}', NotUnderstood),
    ],
)
def test_who_answers_something_else(connect, listening, said, error):
    def answer():
        conn, _ = listening.accept()
        with conn:
            conn.recv(65536)
            conn.sendall(said)

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(error):
        connect(address(listening)).endpoint("digits")
    thread.join()


def test_the_token_is_wrong_or_missing(api, connect):
    for token in (None, "planted-wrong"):
        with pytest.raises(Unauthorized, match="admin token") as caught:
            connect(api.url, token).list()
        assert "planted" not in repr(caught.value)


def test_the_missing_verb_is_named(api, maitre):
    api.forbidden = "create"
    with pytest.raises(Forbidden, match="the verb create is missing"):
        maitre.create("digits", urls=["http://127.0.0.1:5001"])


def test_logs_that_cannot_be_followed(api, maitre):
    endpoint = maitre.create("digits", urls=["http://127.0.0.1:5001"])
    api.delete("digits")
    with pytest.raises(NotFound):
        list(endpoint.follow_logs("digits"))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "bad_request", Refused),
        (415, "unsupported_media_type", Refused),
        (422, "invalid", Invalid),
        (503, "store_failed", Failed),
        (500, "internal", Failed),
    ],
)
def test_each_refusal_has_its_class(status, code, error):
    assert refusal(status, code) is error


@pytest.mark.parametrize(
    ("url", "token", "words"),
    [("127.0.0.1:8081", None, "http://"), ("http://127.0.0.1:8081", "two words", "one word of ASCII")],
)
def test_what_cannot_be_sent_is_said_at_once(connect, url, token, words):
    with pytest.raises(Misused, match=words):
        connect(url, token)


def test_an_authority_that_cannot_be_read(connect, tmp_path):
    with pytest.raises(Misused, match=r"missing\.pem"):
        connect("https://127.0.0.1:1", ca_file=str(tmp_path / "missing.pem")).list()


def test_the_environment_says_where_and_who(api, connect, monkeypatch):
    monkeypatch.setenv("MAITRE_ADMIN_URL", api.url)
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN", api.token)
    assert connect().list() == []


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(api, connect, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert connect(api.url, api.token).list() == []


def test_both_kinds_offer_the_same():
    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")} - {"close", "aclose"}

    assert public(Maitre) == public(AsyncMaitre)


def test_it_brings_nothing_of_the_server_with_it():
    heavy = ("uvicorn", "starlette", "uvloop", "prometheus_client", "pydantic", "lightkube", "httpx", "asyncio", "rich")
    code = f"import sys, router.client; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
