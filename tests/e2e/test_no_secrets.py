"""Values planted as keys and tokens, used rightly and wrongly under debug logging, and then looked for everywhere."""

import asyncio
from pathlib import Path

import httpx
import pytest

from bench.processes import family
from router.client import ClientError
from tests.e2e.client import Connection
from tests.e2e.conftest import BOUND_S, Maitre, endpoint, version
from tests.e2e.managing import admin_url, run, sdk, token_file

PRIMARY = "planted-primary-0123456789abcdef"
SECONDARY = "planted-secondary-0123456789abcdef"
CHOSEN = "planted-chosen-0123456789abcdef"
WRONG = "planted-wrong-0123456789abcdef"
WRONG_ADMIN = "planted-admin-0123456789abcdef0123456789"
CONNECTIONS = 20
PART = 20
"""So many characters of a secret are as bad as all of it."""


class Seen:
    """All that somebody could read who is not the owner of a secret."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def note(self, where: str, text: str) -> None:
        self._texts[f"{len(self._texts)} {where}"] = text

    def holds(self, secret: str) -> list[str]:
        parts = {secret[at : at + PART] for at in range(max(1, len(secret) - PART + 1))}
        return [where for where, text in self._texts.items() if any(part in text for part in parts)]


@pytest.fixture
def seen() -> Seen:
    return Seen()


async def score(maitre: Maitre, seen: Seen, credential: str | None, expected: int) -> None:
    connection: Connection = maitre.connection(credential)
    answer = await connection.post("digits")
    assert answer.status == expected
    seen.note(f"answer {expected}", f"{answer.headers} {answer.body!r}")


async def until_in_force(maitre: Maitre, key: str) -> None:
    """At both workers: new connections, as the kernel spreads them."""
    async with asyncio.timeout(BOUND_S):
        good = 0
        while good < CONNECTIONS:
            good = good + 1 if (await maitre.connection(key).post("digits")).status == 200 else 0
            await asyncio.sleep(0.01)


async def process_list(maitre: Maitre, seen: Seen) -> None:
    for pid in {maitre.process.pid, *family(maitre.process.pid)}:
        seen.note(f"arguments of {pid}", Path(f"/proc/{pid}/cmdline").read_bytes().decode())


async def test_no_secret_is_written_down_anywhere(serve, seen, tmp_path):
    keyed = endpoint(version("blue", "--ms", "0"))
    maitre = await serve(keyed, "--log-level", "debug", "--access-log", str(tmp_path / "access.log"), "--workers", "2")
    (maitre.config.parent / "keys.yaml").write_text(f"primaryKey: {PRIMARY}\nsecondaryKey: {SECONDARY}\n")
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    await until_in_force(maitre, SECONDARY)
    async with sdk(maitre) as owner:
        digits = await owner.endpoint("digits")
        admin = token_file(maitre).read_text().strip()
        seen.note("what the SDK shows of itself", f"{owner!r} {digits!r} {await digits.get_keys()!r}")
        secrets = {PRIMARY, SECONDARY, CHOSEN, WRONG, WRONG_ADMIN, admin}

        await score(maitre, seen, SECONDARY, 200)
        await score(maitre, seen, WRONG, 401)
        await score(maitre, seen, f"{PRIMARY}x", 401)
        secrets.add((await digits.regen_key("primary")).primary)
        await digits.regen_key("secondary", set_key=CHOSEN)
        await score(maitre, seen, CHOSEN, 200)
        with pytest.raises(ClientError) as refused:
            await digits.regen_key("secondary", set_key=" " + WRONG)
        seen.note("a refused key", repr(refused.value))
        by_file = maitre.config.parent / "chosen"
        by_file.write_text(CHOSEN[::-1])
        secrets.add(CHOSEN[::-1])
        ran = await run(maitre, "keys", "regenerate", "digits", "--key", "primary", "--value-file", str(by_file), "-y")
        assert ran.code == 0, ran
        await process_list(maitre, seen)

        await digits.update(auth_mode="token")
        token = (await digits.get_token()).access_token
        head, payload, signature = token.split(".")
        secrets |= {f"{payload}.{signature}", signature}
        seen.note("what the SDK shows of a token", repr(await digits.get_token()))
        await score(maitre, seen, token, 200)
        await score(maitre, seen, f"{head}.{payload}.{signature[:-4]}AAAA", 401)

    async with httpx.AsyncClient(base_url=admin_url(maitre)) as stranger:
        for path in ("/api/v1/endpoints", "/api/v1/endpoints/digits/listkeys", "/api/v1/endpoints/digits/token"):
            answer = await stranger.post(path, headers={"authorization": f"Bearer {WRONG_ADMIN}"}, json={})
            assert answer.status_code == 401
            seen.note("a stranger's answer", f"{answer.headers} {answer.text}")
        friend = {"authorization": f"Bearer {admin}"}
        for path in ("/metrics", "/readyz", "/openapi.json", "/api/v1/endpoints", "/api/v1/endpoints/digits/status"):
            answer = await stranger.get(path, headers=friend)
            assert answer.status_code == 200, path
            seen.note(path, f"{answer.headers} {answer.text}")
    assert maitre.lines("logger=maitre.audit"), "there is something to look through"
    await maitre.stop()
    seen.note("log", "\n".join(maitre.log))
    seen.note("access log", (tmp_path / "access.log").read_text())
    for secret in secrets:
        assert seen.holds(secret) == [], secret[:16]
