"""wrk: what it is told and what it says."""

from __future__ import annotations

import pytest

from bench.load import FRESH, REPEATED, SCRIPT, Load, command, parse
from bench.shapes import FULL, MATRIX, STEADY
from bench.work import KEY

OUTPUT = """Running 4s test @ http://127.0.0.1:1/
  1 threads and 32 connections
Requests/sec:  26000.11

{"requests": 52613, "seconds": 4.010576, "p50_ms": 0.720, "p99_ms": 10.581, "refused": 3, "broken": 1}
"""


def test_the_result_is_the_line_of_the_script() -> None:
    assert parse(OUTPUT) == Load(52613, 4.010576, 0.72, 10.581, refused=3, broken=1)


def test_output_without_a_result_is_an_error_that_shows_it() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1\n")


def test_the_script_gets_key_pause_heads_and_size() -> None:
    said = command(8080, 4, STEADY)
    assert said[0] == "wrk"
    assert {"-d4s", "-c32"} <= set(said)
    assert said[-4:] == [KEY, str(STEADY.pause_ms), FRESH, "60"]
    assert command(8080, 4, FULL, REPEATED)[-3:] == ["0", REPEATED, "60"]
    assert command(8080, 4, MATRIX[-1])[-1] == "10240"


def test_the_script_is_there() -> None:
    assert "function request()" in SCRIPT.read_text()
