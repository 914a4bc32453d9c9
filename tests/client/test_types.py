"""Users' code is checked against the SDK by the strictest type checking, for both kinds of client."""

import subprocess
import sys

import pytest

GOOD = """
from router.client import AsyncMaitre, Answer, Endpoint, Keys, Maitre

def blocking() -> str:
    with Maitre("http://127.0.0.1:8081", "token") as maitre:
        endpoint: Endpoint = maitre.create("digits", version_name="blue", command=["model", "{port}"], replicas=2)
        endpoint.create_version("green", urls=["http://127.0.0.1:5001"], traffic_percentile=10)
        endpoint.update_version("green", traffic_percentile=40, is_default=True, type="control")
        keys: Keys = endpoint.get_keys()
        primary, secondary = keys
        answer: Answer = endpoint.run({"data": [[1]]}, version="green")
        for line in endpoint.follow_logs("green"):
            primary += line
        return primary + (answer.version or "") + "".join(each.name for each in maitre.list())

async def awaiting() -> str:
    async with AsyncMaitre() as maitre:
        endpoint = await maitre.endpoint("digits")
        answer = await endpoint.run(b"1")
        async for line in endpoint.follow_logs("green"):
            print(line)
        return answer.text
"""
WRONG = {
    "a setting of that name": 'endpoint.update_version("blue", trafic_percentile=1)',
    "a value of that type": 'endpoint.update_version("blue", traffic_percentile="1")',
    "a word of the schema": 'endpoint.update(auth_mode="keys")',
    "no coroutine": "import asyncio; asyncio.run(endpoint.refresh())",
    "keys by attribute": "endpoint.get_keys().first",
}


@pytest.fixture
def judged(tmp_path):
    def judge(code):
        file = tmp_path / "users.py"
        file.write_text(code)
        command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300).stdout

    return judge


@pytest.mark.long
def test_what_is_right_passes_and_each_mistake_is_seen(judged):
    lines = GOOD.count("\n")
    tail = "\ndef wrong(endpoint: Endpoint) -> None:\n" + "".join(f"    {each}\n" for each in WRONG.values())
    said = judged(GOOD + tail)
    found = {int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line}
    assert found == set(range(lines + 3, lines + 3 + len(WRONG))), said
