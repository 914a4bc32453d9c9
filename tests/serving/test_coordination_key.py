"""The file of the key that routers share: what is taken, what is refused, and that it is never shown."""

import logging
from pathlib import Path

import pytest

from router.errors import CoordinationKeyRefused
from router.serving.coordination import read_key

SECRET = b"0123456789abcdefghijklmnopqrstuv"


def written(folder: Path, content: bytes, mode: int = 0o400) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("around", [b"", b"\n", b" \r\n"])
def test_the_end_of_its_line_is_no_part_of_a_key(tmp_path, around):
    plain = tmp_path / "plain"
    plain.write_bytes(SECRET)
    assert read_key(written(tmp_path, SECRET + around)).digest("a", b"b") == read_key(plain).digest("a", b"b")


@pytest.mark.parametrize("content", [b"", b"\n", SECRET[:-1], SECRET[:-1] + b"\n"])
def test_a_key_that_is_too_short_is_refused_and_not_shown(tmp_path, content):
    path = written(tmp_path, content)
    with pytest.raises(CoordinationKeyRefused, match=r"needs at least 32") as refused:
        read_key(path)
    assert str(path) in str(refused.value)
    assert "0123" not in str(refused.value)


def test_a_key_that_cannot_be_read_is_named_once(tmp_path):
    for path, reason in ((tmp_path / "key", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(CoordinationKeyRefused) as refused:
            read_key(path)
        assert str(refused.value) == f"{path}: cannot be read: {reason}"


@pytest.mark.parametrize(("mode", "told"), [(0o400, False), (0o440, False), (0o640, False), (0o444, True)])
def test_a_key_that_every_user_can_read_is_told(tmp_path, caplog, mode, told):
    with caplog.at_level(logging.WARNING, "maitre.coordination"):
        read_key(written(tmp_path, SECRET, mode))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * told
    assert SECRET.decode() not in caplog.text
