"""`maitre admin-token`, on files alone."""

import json

import pytest
from typer.testing import CliRunner

from router.admin.admin_token import read
from router.cli.main import app


def maitre(*arguments: str, **environment: str):
    return CliRunner().invoke(app, ["admin-token", *arguments], env=environment)


def test_rotate_then_show(tmp_path):
    made = maitre("rotate", "--state-dir", str(tmp_path / "state"))
    path = tmp_path / "state" / "admin-token"
    first = read(path)
    assert (made.exit_code, made.stdout) == (0, f"{path}: a new admin token\n")
    assert maitre("show", MAITRE_STATE_DIR=str(tmp_path / "state")).stdout == f"{first}\n"
    again = maitre("rotate", "--state-dir", str(tmp_path / "state"), "-o", "json")
    assert json.loads(again.stdout) == {"file": str(path)}
    assert read(path) != first


def test_the_file_that_serve_was_told_of_comes_before_the_state_directory(tmp_path):
    named, state = tmp_path / "named", tmp_path / "state"
    assert maitre("rotate", "--state-dir", str(state), "--admin-token-file", str(named)).exit_code == 0
    assert not state.exists()
    shown = maitre("show", "-o", "json", MAITRE_STATE_DIR=str(state), MAITRE_ADMIN_TOKEN_FILE=str(named))
    assert json.loads(shown.stdout) == {"file": str(named), "token": read(named)}


@pytest.mark.parametrize("command", ["show", "rotate"])
def test_what_cannot_be_used_is_one_sentence(tmp_path, command):
    (tmp_path / "file").write_text("x")
    ended = maitre(command, "--state-dir", str(tmp_path / "file"))
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"maitre: {tmp_path}/file/admin-token: ")
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_no_command_is_help():
    assert "rotate" in maitre().output
