"""Configuration that changes under load: a good edit loses nothing, a wrong one changes nothing."""

import asyncio
import contextlib
import sys

import httpx

from tests.e2e.conftest import KEYS, Maitre, endpoint, version

TWO = endpoint(
    version("blue", trafficPercentile=100, maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 2}),
    version("green", trafficPercentile=0, maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 1}),
)


@contextlib.asynccontextmanager
async def under_load(maitre: Maitre):
    """Requests go on while the body runs; afterwards every single one must have been answered 200."""
    seen: list[tuple[int, str]] = []

    async def client() -> None:
        connection = maitre.connection()
        while not over.is_set():
            answer = await connection.post("digits", {"ms": 5})
            seen.append((answer.status, answer.version))

    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(client())
        yield seen
        over.set()
    assert {status for status, _ in seen} == {200}


async def test_a_wrong_edit_changes_nothing_and_is_told(serve):
    maitre = await serve(TWO)
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    async with under_load(maitre) as seen:
        maitre.edit("trafficPercentile: 100", "trafficPercentile: 120")
        await maitre.until_metric(lambda value: value == 0, "maitre_config_valid")
        count = len(seen)
        while len(seen) < count + 50:
            await asyncio.sleep(0.01)
    ready = await maitre.admin("/readyz")
    assert ready.status_code == 200
    detail = ready.json()
    assert detail["configuration"] == "stale"
    line = next(n for n, text in enumerate(maitre.config.read_text().splitlines(), 1) if "120" in text)
    place = f"{maitre.config}:{line}: spec.versions[0](blue).trafficPercentile: 120 is not allowed"
    assert detail["problems"][0].startswith(place)
    assert maitre.lines("configuration refused")

    check = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", "check", str(maitre.config), stdout=asyncio.subprocess.PIPE
    )
    printed = (await check.communicate())[0].decode()
    assert check.returncode == 1
    assert printed.startswith(place)

    maitre.edit("trafficPercentile: 120", "trafficPercentile: 100")
    await maitre.until_metric(lambda value: value == 1, "maitre_config_valid")


async def test_a_good_edit_takes_effect_and_loses_nothing(serve):
    maitre = await serve(TWO)
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    loop = asyncio.get_running_loop()
    async with under_load(maitre) as seen:
        while len(seen) < 20:
            await asyncio.sleep(0.01)
        assert {name for _, name in seen} == {"blue"}
        maitre.edit("trafficPercentile: 100", "trafficPercentile: 50")
        maitre.edit("trafficPercentile: 0", "trafficPercentile: 50")
        edited = loop.time()
        while not any(name == "green" for _, name in seen):
            await asyncio.sleep(0.01)
        assert loop.time() - edited < 1.5, "within a second, and some for a busy machine"
        # a version goes: what it was running is answered
        text = maitre.config.read_text()
        maitre.edit(
            text, text[: text.index("    - name: green")].replace("trafficPercentile: 50", "trafficPercentile: 100")
        )
        await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    assert await maitre.metric("maitre_traffic_percentile", version="blue") == 100


async def test_another_command_takes_over_when_it_is_ready(serve):
    """New replicas first, old ones drained after; a command that does not work takes nothing away."""
    maitre = await serve(TWO)
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    async with under_load(maitre):
        maitre.edit(
            "'{port}']}\n      trafficPercentile: 100", "'{port}', '--no-such-option']}\n      trafficPercentile: 100"
        )
        await maitre.line(r"digits/blue/\d+ (ended|exited|did not)")
        maitre.edit("'--no-such-option'", "'--ms', '1'")
        await maitre.line(r"digits/blue/\d+ ended as told")
        await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")


async def test_keys_that_change_are_in_force_at_once(serve):
    maitre = await serve(TWO)
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    keys = maitre.config.with_name("keys.yaml")
    async with under_load(maitre):  # with the primary key, which stays
        keys.write_text(keys.read_text().replace(KEYS["secondaryKey"], "another-key-0123456789"))
        async with asyncio.timeout(5):
            while (await maitre.connection("another-key-0123456789").post("digits")).status != 200:
                await asyncio.sleep(0.02)
        assert (await maitre.connection(KEYS["secondaryKey"]).post("digits")).status == 401


async def test_a_directory_of_files(serve, tmp_path):
    """A file that is wrong takes no other with it; a file that goes takes its endpoints with it."""
    maitre = await serve(TWO)
    await maitre.stop()
    folder = tmp_path / "endpoints"
    folder.mkdir()
    (folder / "digits.yaml").write_text(TWO)
    (folder / "keys.yaml").write_text(maitre.config.with_name("keys.yaml").read_text())
    (folder / "wrong.yaml").write_text(TWO.replace("digits", "others").replace("command", "comand"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", "serve", "--config", str(folder), "--port", "0", "--admin-port", "0",
        "--state-dir", str(tmp_path / "state"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    ready = (await process.stdout.readline()).decode()
    admin = ready.split()[-1]
    try:
        async with httpx.AsyncClient() as client:
            problems = (await client.get(f"{admin}/readyz")).json()["problems"]
            assert len(problems) == 2
            assert "did you mean 'command'" in problems[0]
            (folder / "wrong.yaml").unlink()
            async with asyncio.timeout(5):
                while (await client.get(f"{admin}/readyz")).json()["problems"]:
                    await asyncio.sleep(0.02)
    finally:
        process.terminate()
        assert await process.wait() == 0
