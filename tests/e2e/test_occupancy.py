"""The judge is judged: on records whose answer is known, and on a model that is overbooked on purpose."""

import asyncio
import socket

import pytest

from tests.e2e.client import Connection
from tests.e2e.occupancy import Loss, Work, loss, most_at_once, overbooked, parse, twice

S = 10**9


def work(begun: float, ended: float | None, replica: int = 1, cut: bool = False) -> Work:
    return Work(replica, f"at {begun}", int(begun * S), None if ended is None else int(ended * S), cut)


def test_records_are_read():
    page = "5 b 20 30 1\n5 a 10 0 0\n"
    assert parse(page) == [Work(5, "a", 10, None, False), Work(5, "b", 20, 30, True)]


def test_one_after_the_other_is_one_at_once():
    works = [work(0, 1), work(1, 2), work(0.5, 3, replica=2)]
    assert most_at_once(works) == {1: 1, 2: 1}
    assert overbooked(works, 1) == []


@pytest.mark.parametrize("ended", [1.001, None])
def test_two_at_once_are_found(ended: float | None):
    works = [work(0, ended), work(1, 2), work(3 if ended else 5, 6, replica=2)]
    assert most_at_once(works) == {1: 2, 2: 1}
    assert len(overbooked(works, 1)) == 1
    assert overbooked(works, 2) == []


def test_slots_are_back_when_as_many_as_before_are_in_use_after_the_last_cut():
    works = [work(0, 5), work(0, 1.2, cut=True), work(0, 1.3, replica=2, cut=True)]
    assert loss(works, 3, 1 * S) == Loss(2, 3, None)
    works += [work(1.25, 5, replica=2)]
    assert loss(works, 3, 1 * S).back_s is None, "two of three, as without the second of those that were cut"
    works += [work(1.6, 2.5)]
    assert loss(works, 3, 1 * S) == Loss(2, 3, pytest.approx(0.6))


def test_what_lay_idle_before_need_not_be_used_afterwards():
    """But one of the lost slots must be."""
    works = [work(0, 1.2, cut=True), work(0, 1.3, cut=True)]
    assert loss([*works, work(1.6, 3)], 8, 1 * S) == Loss(2, 2, None)
    assert loss([*works, work(1.6, 3), work(1.7, 3)], 3, 1 * S) == Loss(2, 2, pytest.approx(0.7))


def test_what_is_worked_on_twice_is_found():
    assert twice([work(0, 1), work(1, 2)]) == {}
    assert twice([work(0, 1), work(0, 1, replica=2)]) == {"at 0": 2}


async def test_a_model_that_is_overbooked_says_so(recording_replicas):
    replicas = await recording_replicas(2, slots=1, ms=200)
    first, second, other = [Connection(replica.port) for replica in [replicas.all[0], *replicas.all]]
    request = b"POST /score HTTP/1.1\r\nx-request-id: %b\r\ncontent-length: 2\r\n\r\n{}"
    await asyncio.gather(*(each.send(request % name) for each, name in ((first, b"a"), (second, b"b"), (other, b"c"))))
    works = await replicas.works()
    assert sorted(work.id for work in works) == ["a", "b", "c"]
    assert most_at_once(works) == {replicas.all[0].port: 2, replicas.all[1].port: 1}
    assert not any(work.cut for work in works)
    for connection in (first, second, other):
        await connection.close()


async def test_who_leaves_is_noted_before_who_comes(recording_replicas):
    """The end of a connection is found although the next request is read first."""
    replicas = await recording_replicas(1, slots=1, ms=20)
    port = replicas.all[0].port
    request = b"POST /score?ms=%d HTTP/1.1\r\nx-request-id: %b\r\ncontent-length: 0\r\n\r\n"
    for _ in range(50):
        leaving = socket.create_connection(("127.0.0.1", port))
        reader, staying = await asyncio.open_connection("127.0.0.1", port)
        leaving.sendall(request % (10_000, b"leaving"))
        staying.write(b"GET /ready HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"ready")
        leaving.close()  # at once, which a transport would not
        staying.write(request % (0, b"staying"))
        await reader.readuntil(b"scored")
        staying.close()
    works = await replicas.works()
    assert overbooked(works, 1) == []
    assert {(work.id, work.cut) for work in works} == {("leaving", True), ("staying", False)}
