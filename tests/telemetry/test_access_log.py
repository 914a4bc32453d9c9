"""One line of JSON per request, whatever the client sent, and no secret in it."""

import asyncio
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import Outcome
from router.telemetry.access_log import AccessEntry, AccessLog, json_line, printable_path
from router.telemetry.log_file import LogFile

NOW = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)
ENTRY = AccessEntry(
    request_id="0b8e",
    client_request_id="mine-1",
    endpoint="digits",
    version="blue",
    replica="127.0.0.1:5001",
    method="POST",
    path=b"/api/v1/service/digits/score",
    status=200,
    outcome=Outcome.OK,
    bytes_in=60,
    bytes_out=61,
    total_s=0.0123456,
    queue_s=0.0,
    upstream_s=0.012,
    router_s=0.0003456,
    peer="10.0.0.9",
)


def test_a_line_tells_the_whole_request():
    assert orjson.loads(json_line(ENTRY, NOW)) == {
        "time": "2026-11-23T10:00:00.123Z",
        "requestId": "0b8e",
        "clientRequestId": "mine-1",
        "endpoint": "digits",
        "version": "blue",
        "replica": "127.0.0.1:5001",
        "method": "POST",
        "path": "/api/v1/service/digits/score",
        "status": 200,
        "outcome": "ok",
        "bytesIn": 60,
        "bytesOut": 61,
        "totalMs": 12.346,
        "queueMs": 0.0,
        "upstreamMs": 12.0,
        "routerMs": 0.346,
        "peer": "10.0.0.9",
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_can_be_written(outcome):
    assert orjson.loads(json_line(ENTRY._replace(outcome=outcome), NOW))["outcome"] == outcome.value


def test_what_was_not_reached_is_null():
    refused = ENTRY._replace(client_request_id=None, version="", replica=None, upstream_s=-1.0)
    found = orjson.loads(json_line(refused, NOW))
    assert (found["clientRequestId"], found["replica"], found["upstreamMs"]) == (None, None, None)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/score?key=secret", "/score"),
        (b"/score?", "/score"),
        (b"/a b", "/a%20b"),
        (b"/caf\xc3\xa9", "/caf%C3%A9"),
        (b"/caf%C3%A9", "/caf%C3%A9"),
        (b"/\x1b[2J\n", "/%1B[2J%0A"),
        (b"", ""),
    ],
)
def test_paths_are_printable_and_without_their_query(target, path):
    assert printable_path(target) == path


@given(st.binary())
def test_any_bytes_in_the_path_give_one_line_of_json(path):
    line = json_line(ENTRY._replace(path=path), NOW)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line[:-1].decode("ascii").isprintable()
    assert orjson.loads(line)["path"] == printable_path(path)


@given(st.binary(), st.binary())
def test_no_query_is_ever_logged(path, query):
    assert printable_path(path + b"?" + query) == printable_path(path)


async def test_entries_reach_the_file(tmp_path):
    file = LogFile(str(tmp_path / "access.log"), asyncio.get_running_loop())
    log = AccessLog(file)
    log.write(ENTRY)
    log.write(ENTRY._replace(status=404))
    await file.close()
    lines = (tmp_path / "access.log").read_bytes().splitlines()
    assert [orjson.loads(line)["status"] for line in lines] == [200, 404]
