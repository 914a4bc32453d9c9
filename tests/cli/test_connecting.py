"""How commands find the admin API and its token, and what they say when it refuses."""

import re
import socket

import pytest


@pytest.fixture
def state_dir(tmp_path, monkeypatch):
    monkeypatch.delenv("MAITRE_ADMIN_TOKEN", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "maitre").mkdir()
    return tmp_path / "maitre"


def test_on_this_machine_the_token_is_the_routers_own_file(run, api, state_dir):
    assert "the admin port wants a credential" in run("endpoint", "list", expect=1).stderr
    (state_dir / "admin-token").write_text(f"{api.token}\n")
    run("endpoint", "list")


def test_and_follows_the_routers_own_state_dir(run, api, state_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("MAITRE_STATE_DIR", str(tmp_path))
    (tmp_path / "admin-token").write_text(api.token)
    run("endpoint", "list")


def test_it_is_sent_to_nobody_else(run, api, state_dir, monkeypatch):
    (state_dir / "admin-token").write_text(api.token)
    monkeypatch.setattr("router.cli.connecting.LOOPBACK", ())  # so that the fake one is somebody else
    run("endpoint", "list", expect=1)


def test_a_file_that_is_named_goes_first(run, api, state_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN", "planted-wrong")
    file = tmp_path / "token"
    file.write_text(api.token)
    run("endpoint", "list", expect=1)
    run("endpoint", "list", "--admin-token-file", str(file))
    monkeypatch.delenv("MAITRE_ADMIN_TOKEN")
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN_FILE", str(file))
    run("endpoint", "list")


def test_nobody_listens(run):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        lines = run("endpoint", "list", "--admin-url", url, expect=1).stderr.splitlines()
    assert lines[0].startswith(f"maitre: nobody answers at {url}: ")
    assert lines[1].startswith("  is `maitre serve` running?")


def test_a_wrong_token_is_not_shown_and_its_place_is(run, monkeypatch):
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN", "planted-wrong")
    said = run("endpoint", "list", expect=1).stderr
    assert "--admin-token-file FILE, or MAITRE_ADMIN_TOKEN" in said
    assert "planted" not in said


def test_the_missing_verb_is_named(run, api):
    api.forbidden = "list"
    assert "the verb list is missing" in run("endpoint", "list", expect=1).stderr


def test_a_lost_race_says_what_to_do(run, api, monkeypatch):
    run("endpoint", "create", "digits", "--urls", "http://127.0.0.1:5001")

    def faster(_question, **_):
        api.change("digits", serverTiming=True)

    monkeypatch.setattr("router.cli.endpoint.confirm", faster)
    said = run("endpoint", "delete", "digits", expect=1).stderr.splitlines()
    assert said[0].startswith("maitre: the endpoint has changed since it was read")
    assert "look at it again" in said[1]


def test_each_problem_is_a_line_with_key_and_value(run):
    urls = ("--urls", "http://127.0.0.1:5001")
    said = run("endpoint", "create", "digits", *urls, "--traffic-percentile", "140", expect=1).stderr
    first, second = said.splitlines()
    assert first.startswith("maitre: nothing was changed, there is a problem: (request ")
    assert re.fullmatch(r"  spec\.versions\[0\]\(digits\)\.trafficPercentile: .* 0 to 100 .*140.*", second)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("endpoint", "show", "digit"), "did you mean digits?"),
        (("keys", "show", "difits"), "did you mean digits?"),
        (("endpoint", "show", "digits", "-n", "team"), "there is one in namespace default: -n default"),
        (("version", "update", "digits", "bleu", "--default"), "did you mean blue?"),
        (("version", "delete", "digits", "bluu", "--yes"), "did you mean blue?"),
    ],
)
def test_a_name_that_nobody_has_may_be_a_near_one(run, arguments, meant):
    run("endpoint", "create", "digits", "--version-name", "blue", "--urls", "http://127.0.0.1:5001")
    refused, hint = run(*arguments, expect=1).stderr.splitlines()
    assert refused.startswith("maitre: ")
    assert hint == f"  {meant}"


def test_nothing_is_made_up_for_a_name_that_is_far_from_all(run):
    run("endpoint", "create", "digits", "--urls", "http://127.0.0.1:5001")
    assert len(run("endpoint", "show", "weather", expect=1).stderr.splitlines()) == 1


def test_who_may_not_list_is_told_the_refusal_alone(run, api):
    api.forbidden = "list"
    assert len(run("endpoint", "show", "digits", expect=1).stderr.splitlines()) == 1
