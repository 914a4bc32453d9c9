"""The command line as real processes: what starts, how fast, what is where in the output, and who can be asked."""

import os
import pty
import subprocess
import sys

import pytest

from router.cli.commands import COMMANDS, load

CREATE = ("endpoint", "create", "digits", "--version-name", "blue", "--urls", "http://127.0.0.1:5001")


@pytest.fixture
def environment(api):
    return {**os.environ, "MAITRE_ADMIN_URL": api.url, "MAITRE_ADMIN_TOKEN": api.token}


def maitre(environment, *arguments, **options):
    command = [sys.executable, "-m", "router", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30, **options)


def test_create_show_and_score(environment):
    assert maitre(environment, *CREATE).returncode == 0
    shown = maitre(environment, "endpoint", "show", "digits")
    assert shown.stdout.splitlines()[2].split() == ["blue", "100%", "default", "serving", *"11000"]
    scored = maitre(environment, "invoke", "digits", "--data", "@-", input="[1]")
    assert (scored.returncode, scored.stdout) == (0, "[1]\n")


def test_somebody_at_a_terminal_is_asked(environment, api):
    maitre(environment, *CREATE)
    for answer, code, left in (("n", 1, 1), ("y", 0, 0)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        asked = maitre(environment, "endpoint", "delete", "digits", stdin=theirs)
        os.close(ours)
        os.close(theirs)
        assert "Delete digits with its version blue? [y/N]" in asked.stdout
        assert (asked.returncode, len(api.endpoints)) == (code, left)


def test_a_refusal_has_no_traceback(environment):
    refused = maitre(environment, "endpoint", "show", "nothing")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "maitre: there is no endpoint nothing (request r-1)\n"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_summary_of_a_command_is_its_own(name):
    assert load(name).help.partition("\n")[0] == COMMANDS[name].summary


def test_help_loads_no_command():
    code = (
        "import sys\nfrom router.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n"
        "    print([m for m in sys.modules if m.startswith(('router.client', 'router.model', 'autoscaler', 'pydantic', "
        "'httpx', 'ruamel', 'rich'))], file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell):
    variables = {
        "bash": {"_MAITRE_COMPLETE": "complete_bash", "COMP_WORDS": "maitre endpoint d", "COMP_CWORD": "2"},
        "zsh": {"_MAITRE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "maitre endpoint d"},
        "fish": {"_MAITRE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "maitre endpoint d"}
        | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    code = "from router.cli.main import app; app(prog_name='maitre')"
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert "delete" in ended.stdout
    assert "create" not in ended.stdout
