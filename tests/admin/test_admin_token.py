"""The admin token: made once, for nobody else to read; read anew for each request; never shown."""

import hmac
import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from router.admin import admin_token
from router.admin.admin_token import MAX_LENGTH, MIN_LENGTH, AdminToken, LocalAdmin, make, opened, read, rotate
from router.admin.gate import Access, Caller, NotIdentified
from router.errors import AdminTokenRefused

TOKEN = "planted-token-0123456789-0123456789"


def written(path: Path, content: str | bytes = TOKEN, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_made_at_the_first_start_and_used_from_then_on(tmp_path):
    state = tmp_path / "state"
    opened(state, None)
    path = state / "admin-token"
    token = read(path)
    assert len(token) >= 43, "32 bytes of entropy"
    assert (mode_of(path), mode_of(state)) == (0o600, 0o700)
    opened(state, None)
    assert read(path) == token
    assert list(state.iterdir()) == [path], "no unfinished file is left"


async def test_who_has_it_may_do_everything(tmp_path):
    gate = opened(tmp_path, None)
    caller = await gate.identify(read(tmp_path / "admin-token"))
    assert caller == Caller("admin")
    assert isinstance(caller, LocalAdmin)
    await gate.admit(caller, Access("delete", "default", "digits"))


@pytest.mark.parametrize("bearer", [None, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é" * 43, "\udcff" * 43])
async def test_who_has_something_else_is_nobody(tmp_path, bearer):
    gate = opened(tmp_path, written(tmp_path / "token"))
    with pytest.raises(NotIdentified) as refused:
        await gate.identify(bearer)
    assert TOKEN not in str(refused.value)
    assert not bearer or bearer not in str(refused.value)


async def test_a_rotated_token_holds_with_the_next_request(tmp_path):
    gate, path = opened(tmp_path, None), tmp_path / "admin-token"
    for _ in range(50):  # inodes are used again, and clocks of files are coarse
        old = read(path)
        await gate.identify(old)
        rotate(path)
        await gate.identify(read(path))
        with pytest.raises(NotIdentified):
            await gate.identify(old)
    assert list(tmp_path.iterdir()) == [path]


def test_there_is_a_whole_token_at_every_moment(tmp_path):
    """Readers while it is rotated: none ever sees a part of one, or none."""
    path, seen, over = tmp_path / "admin-token", set(), threading.Event()
    make(path)

    def look() -> None:
        while not over.is_set():
            seen.add(read(path))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    written_ones = {read(path)}
    for _ in range(100):
        rotate(path)
        written_ones.add(read(path))
    over.set()
    for reader in readers:
        reader.join()
    assert seen <= written_ones
    assert len(written_ones) == 101


def test_of_those_who_make_it_at_the_same_time_one_does(tmp_path):
    for attempt in range(20):
        path, start, seen = tmp_path / str(attempt) / "admin-token", threading.Barrier(4), []

        def begin(path: Path = path, start: threading.Barrier = start, seen: list[str] = seen) -> None:
            start.wait()
            make(path)
            seen.append(read(path))

        starting = [threading.Thread(target=begin) for _ in range(4)]
        for each in starting:
            each.start()
        for each in starting:
            each.join()
        assert len(seen) == 4
        assert len(set(seen)) == 1


def test_a_write_that_ends_halfway_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "admin-token"
    make(path)
    before = read(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(admin_token.os, "fsync", full)
    with pytest.raises(AdminTokenRefused, match="No space left on device"):
        rotate(path)
    assert read(path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("around", ["", "\n", " \r\n"])
def test_the_end_of_its_line_is_no_part_of_a_token(tmp_path, around):
    assert read(written(tmp_path / "token", TOKEN + around)) == TOKEN


NO_TOKENS = (
    *(b"x" * length for length in (0, MIN_LENGTH - 1, MAX_LENGTH + 1, 5000)),
    b"\n",
    b"two words 0123456789-0123456789-01",
    b"\xff" * 40,
)


@pytest.mark.parametrize("content", NO_TOKENS)
def test_what_is_no_token_is_refused_and_not_shown(tmp_path, content):
    path = written(tmp_path / "token", content)
    with pytest.raises(AdminTokenRefused, match="visible ASCII") as refused:
        opened(tmp_path, path)
    assert str(path) in str(refused.value)
    assert "xx" not in str(refused.value)
    assert "0123" not in str(refused.value)


def test_a_file_that_the_user_names_is_not_made(tmp_path):
    with pytest.raises(AdminTokenRefused, match=r"there is no admin token; `maitre admin-token rotate`"):
        opened(tmp_path, tmp_path / "named")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AdminTokenRefused, match="Is a directory"):
        opened(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("mode", "told"), [(0o400, False), (0o440, False), (0o640, False), (0o444, True), (0o602, True)]
)
def test_who_else_can_read_it(tmp_path, caplog, mode, told):
    """In the state directory it is refused; a file of the user's is perhaps a mounted Secret."""
    path = written(tmp_path / "admin-token", mode=mode)
    with caplog.at_level(logging.WARNING, "maitre.admin"):
        opened(tmp_path, path)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * told
    assert TOKEN not in caplog.text
    if not told:
        opened(tmp_path, None)
        return
    with pytest.raises(AdminTokenRefused, match=rf"mode {mode:04o}.*rotate"):
        opened(tmp_path, None)
    rotate(path)
    opened(tmp_path, None)


def test_who_could_read_the_old_one_can_read_the_new_one(tmp_path):
    path = written(tmp_path / "named", mode=0o464)
    groups = [group for group in os.getgroups() if group != path.stat().st_gid]
    if groups:
        os.chown(path, -1, groups[0])
    before = path.stat()
    link = tmp_path / "link"
    link.symlink_to(path)
    rotate(link)
    after = path.stat()
    assert link.is_symlink()
    assert read(path) != TOKEN
    assert (after.st_uid, after.st_gid, mode_of(path)) == (before.st_uid, before.st_gid, 0o640)


async def test_while_the_file_cannot_be_used_nobody_is_let_in_and_the_log_says_so_once(tmp_path, caplog):
    path = written(tmp_path / "token")
    gate = AdminToken(path)
    with caplog.at_level(logging.ERROR, "maitre.admin"):
        await gate.identify(TOKEN)
        path.unlink()
        for _ in range(3):
            with pytest.raises(NotIdentified):
                await gate.identify(TOKEN)
        written(path)
        await gate.identify(TOKEN)
        path.unlink()
        assert not gate.is_token("")
    assert len(caplog.records) == 2
    assert TOKEN not in caplog.text
    assert str(path) in caplog.records[0].fields["problem"]


def test_what_is_compared_are_digests_of_one_length(tmp_path, monkeypatch):
    """So neither length nor content of what is right shows in the time that a refusal takes."""
    compared, constant_time = [], hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return constant_time(a, b)

    monkeypatch.setattr(admin_token.hmac, "compare_digest", watched)
    gate = AdminToken(written(tmp_path / "token"))
    assert [gate.is_token(bearer) for bearer in ("", TOKEN[:-1], TOKEN, "x" * 9000)] == [False, False, True, False]
    assert compared == [(32, 32)] * 4


def test_it_does_not_show(tmp_path):
    gate = AdminToken(written(tmp_path / "token"))
    assert TOKEN not in repr(gate)
    assert TOKEN not in repr(vars(gate))


async def test_where_none_can_be_made_the_router_serves_and_nobody_is_let_in(tmp_path, caplog):
    """As in a container whose file system is read-only."""
    state = tmp_path / "state"
    state.write_text("a file where the directory should be")
    gate = opened(state, None)
    assert "there is none" in caplog.text
    with pytest.raises(NotIdentified):
        await gate.identify("whatever somebody has in mind, of enough characters")
