"""Keys, tokens, and scoring with the right one of them."""

import logging
from datetime import UTC, datetime

import pytest

from router.client import Conflict, ScoringFailed

URLS = ["http://127.0.0.1:5001"]
ROWS = {"data": [[0, 1, 2]]}
MINE = "a-key-of-mine-of-enough-characters"


def test_keys_unpack_and_one_is_replaced_at_a_time(maitre):
    endpoint = maitre.create("digits", urls=URLS)
    primary, secondary = endpoint.get_keys()
    changed = endpoint.regen_key("Primary")
    assert changed.primary != primary
    assert changed.secondary == secondary
    assert endpoint.regen_key("secondary", set_key=MINE).secondary == MINE


def test_tokens(maitre):
    endpoint = maitre.create("digits", urls=URLS, auth_mode="token")
    token = endpoint.get_token(expires_in_seconds=60)
    now = datetime.now(UTC).timestamp()
    assert now < token.refresh_after < token.expiry_on <= now + 60
    assert token.token_type == "Bearer"
    assert endpoint.run(ROWS, credential=token.access_token).status == 200
    with pytest.raises(Conflict) as caught:
        maitre.create("open", urls=URLS, auth_mode="none").get_keys()
    assert caught.value.code == "no_keys"
    with pytest.raises(Conflict) as caught:
        maitre.create("keyed", urls=URLS).get_token()
    assert caught.value.code == "no_tokens"


@pytest.mark.parametrize("mode", ["key", "token", "none"])
def test_run_finds_the_credential_of_each_mode(api, maitre, mode):
    endpoint = maitre.create("digits", version_name="blue", urls=URLS, auth_mode=mode)
    answer = endpoint.run(ROWS)
    assert answer.json() == ROWS
    assert (answer.version, answer.status, answer.request_id) == ("blue", 200, "s-2")
    assert answer.server_timing == {"queue": 0.5, "upstream": 2.0}
    assert answer.milliseconds > 0
    asked = len(api.seen)
    endpoint.run(ROWS)
    assert len(api.seen) == asked, "address and credential are kept"


def test_bytes_and_text_go_as_they_are(maitre):
    endpoint = maitre.create("digits", urls=URLS, auth_mode="none")
    assert endpoint.run(b"\x00\xff").content == b"\x00\xff"
    assert endpoint.run("grüße").text == "grüße"


def test_a_version_can_be_pinned(maitre):
    endpoint = maitre.create("digits", version_name="blue", urls=URLS)
    endpoint.create_version("green", urls=URLS)
    assert endpoint.run(ROWS, version="green").version == "green"


def test_a_401_has_the_credential_fetched_anew(api, maitre):
    endpoint = maitre.create("digits", urls=URLS)
    endpoint.run(ROWS)
    api.rotate("digits")
    assert endpoint.run(ROWS).status == 200


def test_a_401_also_follows_a_changed_mode(api, maitre):
    endpoint = maitre.create("digits", urls=URLS)
    endpoint.run(ROWS)
    maitre.endpoint("digits").update(auth_mode="token")
    assert endpoint.run(ROWS).status == 200


def test_but_once(api, maitre):
    endpoint = maitre.create("digits", urls=URLS)
    endpoint.run(ROWS)
    api.accepted = ["planted-other"]
    asked = len(api.seen)
    with pytest.raises(ScoringFailed) as caught:
        endpoint.run(ROWS)
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("unauthorized", 401, "s-1")
    assert [path.rpartition("/")[2].partition("?")[0] for _, path in api.seen[asked:]] == ["status", "listkeys"]


def test_tokens_of_an_outside_issuer_are_handed_in(api, maitre):
    endpoint = maitre.create("digits", urls=URLS, auth_mode="token")
    api.accepted = ["planted-outside"]
    assert endpoint.run(ROWS, credential="planted-outside").status == 200
    with pytest.raises(ScoringFailed, match="missing or wrong"):
        endpoint.run(ROWS, credential="planted-wrong")


def test_no_credential_is_shown_or_logged(api, connect, maitre, caplog):
    caplog.set_level(logging.DEBUG)
    said, secret = [], [api.token]
    for mode in ("key", "token"):
        endpoint = maitre.create(f"digits-{mode}", urls=URLS, auth_mode=mode)
        endpoint.run(ROWS)
        shown = endpoint.get_keys() if mode == "key" else endpoint.get_token()
        secret += [*shown] if mode == "key" else [shown.access_token]
        said += [repr(shown), str(shown), repr(endpoint), repr(endpoint._access), repr(maitre)]
        with pytest.raises(ScoringFailed) as caught:
            endpoint.run(ROWS, credential="planted-wrong")
        said += [str(caught.value), repr(caught.value)]
    text = " ".join([*said, caplog.text])
    assert not [each for each in (*secret, "planted") if each in text]
