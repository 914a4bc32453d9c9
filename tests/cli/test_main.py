import subprocess
import sys

import pytest

import router


def maitre(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "router", *arguments], capture_output=True, text=True, check=False, timeout=30
    )


def test_version_and_help():
    assert maitre("--version").stdout == f"maitre {router.__version__}\n"
    shown = maitre("--help")
    assert shown.returncode == 0
    for command in ("serve", "check", "replicas"):
        assert command in shown.stdout
        assert maitre(command, "--help").returncode == 0


@pytest.mark.parametrize("arguments", [("nothing",), ("serve",), ("check",), ("check", "file", "--output", "xml")])
def test_wrong_usage_exits_2(arguments):
    ended = maitre(*arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_the_other_commands_do_not_load_the_server():
    """They answer in a fraction of a second because they leave uvloop, Starlette and uvicorn alone."""
    code = "import sys, router.cli.main; print([m for m in ('uvloop', 'starlette', 'uvicorn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
