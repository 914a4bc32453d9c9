"""Idle clients, against the stand-in."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import crowd
from bench.contenders import TREE
from bench.processes import running
from bench.rounds import free_ports, wait_until_open


@pytest.fixture
def model(tmp_path: Path) -> Iterator[int]:
    """The port of a stand-in."""
    (port,) = free_ports(1)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "bench.stand_in", str(port)]
    with running(command, min(os.sched_getaffinity(0)), log, cwd=TREE) as process:
        wait_until_open("the stand-in", port, process, log)
        yield port


def test_all_come_are_answered_and_stay(model: int) -> None:
    with crowd.gathered(model, 250, 3) as clients:
        assert len(clients) == 250
        assert {client.getsockname()[0] for client in clients} == {crowd.source(3, 0, 250)}
        assert crowd.left_out(clients) == 0
        clients[7].shutdown(socket.SHUT_WR)  # so the stand-in closes its side too
        clients[7].settimeout(10)
        assert clients[7].recv(1) == b""
        clients[7].setblocking(False)
        assert crowd.left_out(clients) == 1
    assert all(client.fileno() == -1 for client in clients)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 10_000))
def test_no_two_crowds_share_an_address(one: int, other: int, size: int) -> None:
    def addresses(number: int) -> set[str]:
        return {crowd.source(number, client, size) for client in (0, size // 2, size - 1)}

    if one != other:
        assert not addresses(one) & addresses(other)


def test_an_address_has_so_many_clients() -> None:
    size = 2 * crowd.PER_ADDRESS
    assert crowd.source(0, 0, size) == crowd.source(0, crowd.PER_ADDRESS - 1, size) == "127.1.0.1"
    assert crowd.source(0, crowd.PER_ADDRESS, size) == "127.1.0.2"
    assert crowd.source(1, 0, size) == "127.1.0.3"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits that were set, in a process that may set none above 30,000."""
    limits: list[tuple[int, int]] = []

    def setrlimit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[1] > 30_000:
            raise ValueError("not allowed to raise maximum limit")
        limits.append(wanted)

    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    return limits


def test_a_limit_that_is_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[int, int]]) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (15_400, 15_400))
    assert crowd.allow_files(10_000) == (10_000, "open files: the limit of 15,400 is enough")
    assert not asked


def test_a_limit_that_is_too_low_is_raised_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 30_000))
    clients, said = crowd.allow_files(10_000)
    assert clients == 10_000
    assert "raised from 1,024 to 15,400" in said
    assert asked == [(15_400, 30_000)]


def test_where_it_cannot_be_raised_fewer_come_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 30_000))
    clients, said = crowd.allow_files(20_000)
    assert clients == 19_733
    assert "20,000 clients need 30,400; 30,000 are permitted, for 19,733 clients" in said
    assert asked == [(30_000, 30_000)]
