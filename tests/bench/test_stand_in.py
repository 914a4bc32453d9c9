"""The model's stand-in: its status page, and the one in Python doing what the nginx one does."""

from __future__ import annotations

import asyncio

import pytest

from bench.stand_in import Counts, StandIn, parse_status
from bench.work import ANSWER, LARGE_ANSWER

PAGE = "Active connections: 33 \nserver accepts handled requests\n 52 51 67843 \nReading: 0 Writing: 1 Waiting: 32 \n"


def test_the_status_page_is_read() -> None:
    assert parse_status(PAGE) == Counts(connections=52, requests=67843)


def test_another_page_is_an_error() -> None:
    with pytest.raises(ValueError, match="no status page"):
        parse_status("<html>hello</html>")


class Written(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.data += data


def answers(*parts: bytes) -> bytes:
    transport, stand_in = Written(), StandIn()
    stand_in.connection_made(transport)
    for part in parts:
        stand_in.data_received(part)
    return transport.data


def test_every_request_is_answered_however_it_is_cut() -> None:
    request = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    whole = answers(request + request)
    assert whole.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert whole.count(ANSWER) == 2
    assert answers(*(bytes([byte]) for byte in request + request)) == whole


def test_a_large_request_gets_a_large_answer() -> None:
    request = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 10234\r\n\r\n" + b"0" * 10234
    assert answers(request).endswith(LARGE_ANSWER)


def test_it_shows_what_came_when_asked_to() -> None:
    shown = answers(b"GET /score HTTP/1.1\r\nHost: x\r\nX-Show: yes\r\nX-Request-Id: abc\r\n\r\n")
    assert b"x-saw: authorization= request-id=abc path=/score\r\n" in shown


def test_its_status_page_is_nginx_s() -> None:
    page = answers(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")[2]
    assert parse_status(page.decode()).requests >= 1
