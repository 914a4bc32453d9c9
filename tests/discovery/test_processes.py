"""Local replicas as real processes."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from router.core.backoff import Backoff


async def test_a_replica_is_listed_once_it_is_ready_and_answers_there(make, roster, output):
    group = make("--start-delay", "0.1")
    group.resize(1)
    assert roster.coming
    await roster.until(lambda: "1" in roster.ready)
    assert roster.calls == [("expect", True), ("add", "1"), ("expect", False)]
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{roster.ready['1']}/")).status_code == 200


async def test_close_leaves_nothing(make, roster, output, gone):
    group = make("--spawn-child")
    group.resize(2)
    pids = [int(pid) for word in ("started", "child") for _, pid, *_ in await output.word(word, count=2)]
    await roster.until(lambda: len(roster.ready) == 2)
    await group.close()
    assert roster.ready == {}
    assert group.size == 0
    for pid in pids:
        await gone(pid)
    group.resize(3)
    assert repr(group) == "<LocalProcesses digits/blue size=0 []>"


async def test_a_closed_group_says_nothing_of_what_is_to_come(make, roster, output, caplog):
    group = make("--mute")
    group.resize(1)
    await output.word("started")
    await asyncio.wait_for(group.close(drain_s=60), 5)  # not ready: nothing to drain
    assert roster.calls == [("expect", True)]
    assert caplog.text == ""


async def test_no_wish_means_nothing_is_coming(make, roster):
    group = make("--mute")
    group.resize(1)
    group.resize(0)
    assert roster.calls == [("expect", True), ("expect", False)]


async def test_the_newest_wish_wins_and_the_same_wish_does_nothing(make, roster):
    group = make()
    for wish in (5, 0, 3, 2, 2):
        group.resize(wish)
        assert group.size == wish
    await roster.until(lambda: len(roster.ready) == 2)
    before = list(roster.calls)
    group.resize(2)
    assert roster.calls == before


async def test_what_a_replica_finds_in_its_environment(make, output, monkeypatch):
    monkeypatch.setenv("MAITRE_ADMIN_TOKEN", "secret")
    monkeypatch.setenv("spring.profiles.active", "test")
    monkeypatch.setenv("KEPT", "a b")
    group = make(command=("env",))  # not through a shell: those drop names with dots; ours must not
    group.resize(1)
    await output.word("PORT=")
    await output.word("MAITRE_REPLICA=2")
    lines = {line for replica, line in output.lines if replica == "1"}
    assert {"MAITRE_ENDPOINT=digits", "MAITRE_VERSION=blue", "MAITRE_REPLICA=1"} <= lines
    assert {"spring.profiles.active=test", "KEPT=a b"} <= lines
    assert not any("secret" in line for line in lines)


async def test_where_and_how_a_replica_runs(make, output, tmp_path):
    group = make(
        command=("sh", "-c", 'echo "is {port} $PORT {} $0"; pwd; cat; echo end of input; exec sleep 60', "x y")
    )
    group.resize(1)
    await output.word("end of input")
    ((_, port, same_port, *rest),) = await output.word("is")
    assert port == same_port
    assert rest == ["{}", "x", "y"]
    assert ("1", str(tmp_path)) in output.lines


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are seen in /proc")
async def test_a_replica_has_no_descriptor_of_ours(make, output, warden):
    """Above all not the warden's pipe, which would then not end with us."""
    ours = str(Path(f"/proc/self/fd/{warden.entry}").readlink())
    group = make(command=("ls", "-l", "/proc/self/fd"))
    group.resize(1)
    await output.line(lambda line: " 3 -> " in line)  # its own, the directory that it lists
    await output.word("total", count=2)  # so that all of the first one's lines are there
    lines = [line for replica, line in output.lines if replica == "1" and " -> " in line]
    assert [line.rpartition(" -> ")[0].split()[-1] for line in lines] == ["0", "1", "2", "3"]
    assert lines[0].endswith(" -> /dev/null")
    assert not any(ours in line for line in lines)


async def test_a_replica_that_ends_is_retired_and_started_anew_under_another_name(make, roster, output):
    group = make("--exit-after", "2")
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    port = roster.ready["1"]
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"http://127.0.0.1:{port}/")
    await roster.until(lambda: "2" in roster.ready)
    assert roster.calls == [
        ("expect", True),
        ("add", "1"),
        ("expect", False),
        ("expect", True),  # before it is retired: there is no moment without hope
        ("retire", "1"),
        ("add", "2"),
        ("expect", False),
    ]


async def test_a_killed_replica_takes_its_children_with_it(make, roster, output, gone, caplog):
    caplog.set_level("INFO", "maitre.discovery")
    group = make("--spawn-child")
    group.resize(1)
    ((_, child),) = await output.word("child")
    ((_, pid, _),) = await output.word("started")
    await roster.until(lambda: "1" in roster.ready)
    os.kill(int(pid), signal.SIGKILL)
    await roster.until(lambda: "2" in roster.ready)
    await gone(int(child))
    assert "digits/blue/1 was killed by SIGKILL after 0." in caplog.text


async def test_a_crash_loop_backs_off_and_stays_coming(make, roster, output, caplog):
    caplog.set_level("INFO", "maitre.discovery")
    group = make("--exit-status", "3", backoff=Backoff(first_s=0.02, most_s=0.08))
    group.resize(1)
    await output.word("giving up", count=4)
    assert roster.calls == [("expect", True)]
    await group.close()
    pauses = [record.args[1] for record in caplog.records if "starting another" in record.msg]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.04][: len(pauses)]
    assert "digits/blue/1 exited with status 3 after 0.0 s ready; it printed:" in caplog.text
    assert "\n    giving up" in caplog.text
    assert "was not ready" not in caplog.text


async def test_a_replica_that_never_gets_ready_is_started_anew(make, roster, output, caplog):
    group = make("--mute", startup_s=0.2)
    group.resize(1)
    await output.word("started", count=2)
    assert "digits/blue/1 was not ready within 0.2 s" in caplog.text
    assert roster.calls == [("expect", True)]


async def test_only_2xx_is_ready(make, output):
    group = make("--status", "302 Found", startup_s=0.2)
    group.resize(1)
    await output.word("started", count=2)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("no-such-command",), "digits/blue: command 'no-such-command' is not on the PATH"),
        (("./no-such-file",), "digits/blue: command './no-such-file' does not exist in "),
        (("./text",), "is not an executable file"),
        ((), "digits/blue: the command is empty"),
    ],
)
async def test_a_command_that_cannot_start_is_named_and_tried_again(make, roster, tmp_path, caplog, command, message):
    caplog.set_level("INFO", "maitre.discovery")
    (tmp_path / "text").write_text("hello")
    tried = asyncio.Event()
    pauses = iter([0.0, 0.0])

    def u() -> float:
        tried.set() if next(pauses, None) is None else None
        return 0.0

    group = make(command=command, u=u)
    group.resize(1)
    await asyncio.wait_for(tried.wait(), 5)
    assert caplog.text.count(message) == 3
    assert roster.coming


async def test_a_file_of_another_format_ends_with_what_the_shell_said(make, output, tmp_path):
    model = tmp_path / "model"
    model.write_text("#!/no/such/interpreter\n")
    model.chmod(0o700)
    group = make(command=("./model",))
    group.resize(1)
    await output.line(lambda line: "not found" in line or "No such file" in line)


async def test_a_script_in_the_directory_starts(make, roster, tmp_path):
    model = tmp_path / "model"
    stub = Path(__file__).with_name("model_stub.py")
    model.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {stub} "$@"\n')
    model.chmod(0o700)
    group = make(command=("./model", "--port={port}"))
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)


async def test_shrinking_ends_the_idle_first_and_drains_the_busy(make, roster, output):
    group = make()
    group.resize(3)
    await roster.until(lambda: len(roster.ready) == 3)
    busy, busier, idle = roster.ready
    roster.requests.update({busy: 1, busier: 2})
    ports = dict(roster.ready)
    group.resize(2)
    assert set(roster.ready) == {busy, busier}
    group.resize(1)
    assert set(roster.ready) == {busier}
    group.resize(0)
    assert roster.ready == {}
    async with httpx.AsyncClient(trust_env=False) as client:
        for replica in (busy, busier):  # running requests still have somebody to run them
            await client.get(f"http://127.0.0.1:{ports[replica]}/")
        roster.finish(busy)
        roster.finish(busier)
        await group.close()
        for replica in (busy, busier, idle):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{ports[replica]}/")


async def test_growing_while_one_drains_starts_another(make, roster):
    group = make()
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    roster.requests["1"] = 1
    group.resize(0)
    group.resize(1)
    await roster.until(lambda: "2" in roster.ready)
    assert "<Keeper digits/blue/1 leaving" in repr(group)
    roster.finish("1")


async def test_when_the_drain_time_has_passed_it_ends_anyway(make, roster):
    group = make(drain_s=0.1)
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    roster.requests["1"] = 1
    group.resize(0)
    await asyncio.wait_for(group.close(drain_s=60), 5)  # a later close does not make it longer


async def test_a_close_in_more_haste_cuts_a_drain_short(make, roster):
    group = make(drain_s=60)
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    roster.requests["1"] = 1
    group.resize(0)
    await asyncio.wait_for(group.close(drain_s=0), 5)


async def test_a_replica_that_dies_while_it_drains_is_not_waited_for(make, roster, output):
    group = make(drain_s=60)
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    roster.requests["1"] = 1
    group.resize(0)
    ((_, pid, _),) = await output.word("started")
    os.kill(int(pid), signal.SIGKILL)
    await asyncio.wait_for(group.close(), 5)


async def test_a_replica_that_ignores_sigterm_is_killed(make, roster, output, gone, caplog):
    group = make("--ignore-sigterm", grace_s=0.1)
    group.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    ((_, pid, _),) = await output.word("started")
    await group.close()
    await gone(int(pid))
    assert "digits/blue/1 did not end within 0.1 s of SIGTERM; killing it" in caplog.text


async def test_many_starts_at_once_get_ports_of_their_own(make, roster):
    group = make()
    group.resize(12)
    await roster.until(lambda: len(roster.ready) == 12)
    assert len(set(roster.ready.values())) == 12


async def test_a_version_can_change_over_to_another_command_without_a_gap(make, roster):
    old = make()
    old.resize(1)
    await roster.until(lambda: "1" in roster.ready)
    new = make("--start-delay", "0.05", numbers=old.numbers)
    new.resize(1)
    await roster.until(lambda: "2" in roster.ready)
    await old.close()
    assert list(roster.ready) == ["2"]


async def test_output_is_kept_and_logged_with_its_origin(make, caplog):
    caplog.set_level("INFO", "maitre.replica")
    group = make("--exit-status", "1", sink=None)
    group.resize(1)
    async with asyncio.timeout(5):
        while "giving up" not in caplog.text:
            await asyncio.sleep(0.01)
    assert "digits/blue/1 | giving up" in caplog.text
    assert ("1", "giving up") in list(group.recent)


async def test_a_bug_in_one_keeper_is_surfaced_and_hurts_no_other(make, roster):
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    add = roster.add

    def broken(replica: str, *rest: object, **more: object) -> None:
        if replica == "1":
            raise AssertionError("no such luck")
        add(replica, *rest, **more)

    roster.add = broken
    group = make()
    group.resize(2)
    await roster.until(lambda: "2" in roster.ready)
    await roster.until(lambda: not roster.coming)
    assert [str(context["exception"]) for context in reported] == ["no such luck"]
    group.resize(2)
    await roster.until(lambda: "3" in roster.ready)
