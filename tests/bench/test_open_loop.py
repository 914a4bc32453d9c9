"""The open-loop generator against a server that holds its answers back: the wait counts from when a request was due."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.open_loop import drive
from bench.proof import Unfit
from bench.schedule import constant
from bench.work import ANSWER, KEY

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
RATE = 2_000

Respond = Callable[[socket.socket, bytes], None]


@contextmanager
def server(respond: Respond) -> Iterator[int]:
    """Calls `respond` with every connection that has something to say, and what it says."""
    stop, stopped = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener, stop, stopped, selectors.DefaultSelector() as selector:
        thread = threading.Thread(target=_serve, args=(selector, listener, stopped, respond))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.send(b"!")
            thread.join(10)
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket) and key.fileobj not in (listener, stopped):
                    key.fileobj.close()


def _serve(selector: selectors.BaseSelector, listener: socket.socket, stopped: socket.socket, respond: Respond) -> None:
    selector.register(listener, selectors.EVENT_READ)
    selector.register(stopped, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select(10):
            if key.fileobj is stopped:
                return
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            assert isinstance(key.fileobj, socket.socket)
            if not _heard(key.fileobj, respond):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def _heard(client: socket.socket, respond: Respond) -> bool:
    """False when the client has left, which a generator whose run has failed does at any time."""
    try:
        data = client.recv(65536)
        if data:
            respond(client, data)
    except ConnectionError:
        return False
    return bool(data)


def answer(client: socket.socket, _data: bytes) -> None:
    client.sendall(RESPONSE)


def test_every_request_is_sent_when_due_and_answered() -> None:
    requests: list[bytes] = []

    def respond(client: socket.socket, data: bytes) -> None:
        requests.append(data)
        answer(client, data)

    with server(respond) as port:
        turn = drive(port, "/score", constant(RATE, 0.05), connections=4)
    assert len(requests) == len(turn.latency) == 100
    assert len(set(requests)) == 100  # no head comes twice
    assert all(data.startswith(b"POST /score HTTP/1.1\r\n") and KEY.encode() in data for data in requests)
    assert all(len(data.partition(b"\r\n\r\n")[2]) == 60 for data in requests)
    assert all(0.0 <= lag < latency for lag, latency in zip(turn.lag, turn.latency, strict=True))
    assert 1 <= turn.most <= 4


def test_answers_that_come_late_do_not_keep_the_next_request_back() -> None:
    """Ten are in flight before the first answer, and each has waited since it was due."""
    held: list[socket.socket] = []

    def respond(client: socket.socket, _data: bytes) -> None:
        held.append(client)
        if len(held) == 10:
            for each in held:
                each.sendall(RESPONSE)

    due = constant(RATE, 10 / RATE)
    with server(respond) as port:
        turn = drive(port, "/score", due, connections=10)
    assert turn.most == 10
    assert all(turn.latency[number] >= due[9] - due[number] for number in range(10))


def test_a_request_that_finds_no_connection_free_has_waited_since_it_was_due() -> None:
    """One connection, and the first answer comes only when the last request is due: all others waited for it."""
    due, first = constant(RATE, 0.05), True
    over = threading.Event()

    def respond(client: socket.socket, data: bytes) -> None:
        nonlocal first
        if first:
            over.wait(due[-1])  # the fault: the model stands still
            first = False
        answer(client, data)

    with server(respond) as port:
        turn = drive(port, "/score", due, connections=1)
    assert turn.most == 1
    for number in range(1, 100):
        assert turn.latency[number] >= turn.lag[number]
        assert turn.lag[number] >= due[-1] - due[number] - 1e-4  # two clocks: the wait's and ours


@pytest.mark.parametrize(
    ("sent", "said"),
    [(b"HTTP/1.1 503 No\r\n\r\n" + ANSWER, "no success"), (None, "was closed")],
    ids=["refused", "closed"],
)
def test_what_is_no_success_ends_the_run(sent: bytes | None, said: str) -> None:
    def respond(client: socket.socket, _data: bytes) -> None:
        if sent is None:
            client.shutdown(socket.SHUT_RDWR)
        else:
            client.sendall(sent)

    with server(respond) as port, pytest.raises(Unfit, match=said):
        drive(port, "/score", constant(RATE, 0.05))


def test_an_answer_may_come_in_parts() -> None:
    def respond(client: socket.socket, _data: bytes) -> None:
        client.sendall(RESPONSE[:10])
        client.sendall(RESPONSE[10:])

    with server(respond) as port:
        assert len(drive(port, "/score", constant(RATE, 0.02)).latency) == 40
