"""The command line as real processes: what starts, how fast, what is where in the output, and who can be asked."""

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from time import perf_counter

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
    assert shown.stdout.splitlines()[2].split() == ["blue", "100%", "default", "ready", *"11000"]
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
        assert (asked.returncode, len(api.names())) == (code, left)


def test_a_refusal_has_no_traceback(environment):
    refused = maitre(environment, "endpoint", "show", "nothing")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"maitre: there is no endpoint nothing in namespace default \(request \S+\)\n", refused.stderr)


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
    ended = completed(shell, "maitre endpoint d")
    assert "delete" in ended.stdout
    assert "create" not in ended.stdout


def test_shells_complete_the_names_of_endpoints(environment):
    maitre(environment, *CREATE)
    for words in ("maitre endpoint show d", "maitre invoke d"):
        assert completed("bash", words, **environment).stdout.split() == ["digits"]
    nobody = completed("bash", "maitre endpoint show d", **environment | {"MAITRE_ADMIN_URL": "http://127.0.0.1:1"})
    assert (nobody.stdout.strip(), nobody.stderr) == ("", "")


def completed(shell, words, **environment):
    variables = {
        "bash": {"_MAITRE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))},
        "zsh": {"_MAITRE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": words},
        "fish": {"_MAITRE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": words}
        | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    code = "from router.cli.main import app; app(prog_name='maitre')"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_top_repaints_itself_until_it_is_interrupted(environment, api):
    api.metrics = 'maitre_replicas_total{endpoint="digits",version="blue"} 3\n'
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "router", "top", "--interval", "0.05"]
    with subprocess.Popen(command, env={**environment, "TERM": "xterm"}, stdout=theirs, stderr=theirs) as watching:
        os.close(theirs)
        shown = b""
        try:
            while shown.count(b"digits") < 2:
                shown += os.read(ours, 4096)
            watching.send_signal(signal.SIGINT)
            with suppress(OSError):  # the end of a terminal, as Linux has it
                while more := os.read(ours, 4096):
                    shown += more
            assert watching.wait(timeout=30) == 0
        finally:
            watching.kill()
    os.close(ours)
    assert b"0/3" in shown
    assert b"Traceback" not in shown


def test_help_costs_little_more_than_the_interpreter_and_typer():
    """A ratio, since machines differ; the shortest of several, since neighbours disturb."""

    def seconds(*arguments):
        began = perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, timeout=30)
        return perf_counter() - began

    rounds = [(seconds("-m", "router", "--help"), seconds("-c", "import typer.main")) for _ in range(7)]
    help_s, typer_s = map(min, zip(*rounds, strict=True))
    assert help_s < 3 * typer_s
