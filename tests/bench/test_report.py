"""What a run tells, and the bound that it is held to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.contenders import BASE, ENVOY, HAPROXY, MAITRE, NGINX
from bench.cores import Cores
from bench.load import FRESH
from bench.machine import Machine, cpu_model
from bench.ratios import Sample
from bench.report import Run, conditions, markdown, rows, save, summary, text, verdicts
from bench.shapes import FULL, SHAPES, STEADY

COST = {MAITRE: 60.0, NGINX: 40.0, HAPROXY: 30.0, ENVOY: 80.0, BASE: 66.0}


def run(*names: str) -> Run:
    samples = [
        Sample(
            contender=name,
            shape=shape.name,
            round=number,
            requests=10_000,
            seconds=2.0,
            cpu_s=COST[name] / 100 * number,
            p50_ms=1.0,
            p99_ms=2.0,
            connections=7,
        )
        for number in (1, 2, 3)
        for shape in SHAPES
        for name in names
    ]
    return Run(
        machine=Machine(2, "a processor", "6.1", "3.11.7", (0.1, 0.2, 0.3), "2024-01-01T10:00:00+00:00"),
        cores=Cores(load=0, model=0, proxy=1),
        versions=dict.fromkeys(names, "1.0"),
        missing=[each for each in COST if each not in names],
        heads=FRESH,
        rounds=3,
        seconds=2,
        samples=samples,
    )


def test_the_table_has_costs_and_ratios_to_each_peer() -> None:
    headings, maitre, nginx, haproxy = rows(run(MAITRE, NGINX, HAPROXY), STEADY)
    assert headings[:3] == ["steady", "CPU µs/request", "requests/s"]
    assert headings[-2:] == [f"× {HAPROXY}", f"× {NGINX}"]
    assert maitre[:3] == [MAITRE, "120.0", "5,000"]
    assert maitre[-2:] == ["2.00 (2.00 to 2.00)", "1.50 (1.50 to 1.50)"]
    assert nginx[-1] == "1"
    assert haproxy[-2] == "1"


def test_the_summary_has_a_line_per_load_with_everybody_s_cost_and_verdicts_where_bounds_hold() -> None:
    headings, *lines = summary(run(MAITRE, NGINX, HAPROXY, ENVOY))
    assert headings == [
        *("load", "who", "µs/request", HAPROXY, ENVOY, NGINX),
        *("× HAProxy (≤ 2)", "× Envoy (≤ 0.6)", "× nginx"),
    ]
    assert [line[0] for line in lines] == [shape.name for shape in SHAPES]
    by_load = {line[0]: line for line in lines}
    assert by_load["256x10KB"] == [
        *("256x10KB", MAITRE, "120.0", "60.0", "160.0", "80.0"),
        *("2.00 (2.00 to 2.00) kept", "0.75 (0.75 to 0.75) ABOVE", "1.50 (1.50 to 1.50)"),
    ]
    assert by_load["steady"][-3:] == ["2.00 (2.00 to 2.00)", "0.75 (0.75 to 0.75)", "1.50 (1.50 to 1.50)"]


def test_another_tree_has_its_own_lines_and_verdicts() -> None:
    both = run(MAITRE, BASE, HAPROXY)
    headings, *lines = summary(both)
    assert headings[-2:] == ["× HAProxy (≤ 2)", f"× {BASE}"]
    assert [line[1] for line in lines[:2]] == [MAITRE, BASE]
    assert lines[0][-1] == "0.91 (0.91 to 0.91)"
    assert lines[1][-1] == "1"
    assert verdicts(both) == [
        "maitre: 4 of 4 bounds kept",
        "maitre, base: 0 of 4 bounds kept; above: "
        "32x60B × HAProxy 2.20, 256x60B × HAProxy 2.20, 32x10KB × HAProxy 2.20, 256x10KB × HAProxy 2.20",
    ]


def test_what_was_not_measured_is_not_shown() -> None:
    whole = run(MAITRE, HAPROXY)
    some = replace(whole, samples=[sample for sample in whole.samples if sample.shape == STEADY.name])
    assert [line[0] for line in summary(some)[1:]] == ["steady"]
    assert verdicts(some) == []


def test_without_peers_there_are_no_ratios() -> None:
    (headings, _) = rows(run(MAITRE), FULL)
    assert not any("×" in heading for heading in headings)


def test_who_is_missing_is_said() -> None:
    assert any("nginx" in line and "not installed" in line for line in conditions(run(MAITRE, HAPROXY)))
    assert not any("not installed" in line for line in conditions(run(*COST)))


def test_one_core_for_everything_is_said() -> None:
    shared = replace(run(MAITRE), cores=Cores(0, 0, 0))
    assert any("mean nothing" in line for line in conditions(shared))


def test_text_and_markdown_have_all_shapes() -> None:
    one = run(MAITRE, HAPROXY)
    for page in (text(one), markdown(one)):
        assert all(shape.name in page for shape in SHAPES)
        assert "2.00 (2.00 to 2.00)" in page
    assert f"steady: {STEADY}" in markdown(one)


def test_a_run_is_kept_whole(tmp_path: Path) -> None:
    data, page = save(run(MAITRE, HAPROXY), tmp_path / "results")
    assert data.name == "2024-01-01T100000Z.json"
    kept = json.loads(data.read_text())
    assert len(kept["samples"]) == 2 * len(SHAPES) * 3
    assert page.read_text().startswith("# Cost per request")


def test_the_processor_is_named() -> None:
    assert cpu_model("processor : 0\nmodel name\t: Fast One\nmodel name\t: Fast One\n") == "Fast One"
    assert cpu_model("Features : fp\n")


@pytest.mark.parametrize(("bound", "code"), [("2.1", 0), ("2.0", 0), ("1.9", 1)])
def test_the_bound_decides_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], bound: str, code: int
) -> None:
    everybody = run(MAITRE, NGINX, HAPROXY)
    monkeypatch.setattr("bench.__main__._measure", lambda *_: everybody)
    monkeypatch.setattr("bench.__main__.RESULTS", tmp_path)
    assert main(["--check", bound]) == code
    assert "2.00" in capsys.readouterr().out


def test_without_wrk_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bench.load.shutil.which", lambda _: None)
    assert main([]) == 1
    assert "apt install wrk" in capsys.readouterr().err


def test_a_check_needs_what_it_compares(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bench.load.require", lambda: None)
    for left_out in (["--only", "maitre"], ["--shapes", "32x60B"]):
        assert main([*left_out, "--check", "2"]) == 1
        assert "--check compares maitre with HAProxy" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["0", "-1", "x"])
def test_there_is_at_least_one_round(wrong: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--rounds", wrong])
    assert refused.value.code == 2
