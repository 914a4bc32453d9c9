"""docs/migration.md is true: every counterpart runs, every split is what it says, every name is there."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from router.cli.main import app
from router.client import Endpoint, Maitre
from router.client.settings import EndpointSettings, VersionSettings

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
SPLIT = re.compile(r"^# split: (.+)$", re.MULTILINE)

# the parameters of AksEndpoint.deploy_configuration, create_version and update_version
ORIGINAL = re.findall(
    r"\w+",
    """
    autoscale_enabled autoscale_min_replicas autoscale_max_replicas autoscale_refresh_seconds
    autoscale_target_utilization
    num_replicas replica_max_concurrent_requests max_request_wait_time scoring_timeout_ms cpu_cores cpu_cores_limit
    memory_gb memory_gb_limit gpu_cores auth_enabled token_auth_enabled primary_key secondary_key enable_app_insights
    collect_model_data period_seconds initial_delay_seconds timeout_seconds success_threshold failure_threshold
    namespace
    tags properties description compute_target_name blobfuse_enabled version_name traffic_percentile is_default
    is_control_version_type
    """,
)


class Block(NamedTuple):
    language: str
    whose: str
    text: str

    @property
    def split(self) -> dict[str, float] | None:
        """`# split: versiona 90 %, versionb 10 %`"""
        found = SPLIT.search(self.text)
        if found is None:
            return None
        return {name: float(share) for name, share in re.findall(r"(\w+) ([\d.]+) %", found[1])}


def blocks() -> list[Block]:
    found = re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(*each) for each in found]


def ours(language: str) -> list[Block]:
    return [each for each in blocks() if (each.language, each.whose) == (language, "maitre")]


def require_split(block: Block) -> None:
    if block.split is not None:
        with Maitre() as maitre:
            status = maitre.endpoint("digits").status()
        assert {version.name: version.traffic_share for version in status.versions} == block.split, block.text


def test_every_block_has_its_counterpart():
    found = blocks()
    assert PAGE.read_text().count("```") == 2 * len(found)
    assert len(found) > 30
    for theirs, mine in zip(found[::2], found[1::2], strict=True):
        assert (theirs.whose, mine.whose) in (("azureml", "maitre"), ("az", "maitre"))
        assert theirs.language == mine.language
        if theirs.language == "python":
            ast.parse(theirs.text)


def test_python(router):
    names: dict[str, Any] = {}
    for block in ours("python"):
        exec(compile(block.text, PAGE.name, "exec"), names)
        require_split(block)
    assert names["maitre"].list() == []
    names["maitre"].close()
    assert sum(block.split is not None for block in ours("python")) == 4


def test_command_line(router):
    for block in ours("sh"):
        for line in block.text.replace("\\\n", "").splitlines():
            if line.startswith("#"):
                continue
            program, *arguments = shlex.split(line)
            assert program == "maitre"
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, (line, result.output)
        require_split(block)
    with Maitre() as maitre:
        assert maitre.list() == []
    assert sum(block.split is not None for block in ours("sh")) == 4


def rows(heading: str) -> list[list[str]]:
    text = PAGE.read_text()
    table = text[text.index(heading) :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`(\w+)", cell)


def test_every_name_of_the_original_is_in_the_table_and_leads_somewhere():
    table = rows("| AksEndpoint, AksWebservice | here |")
    assert sorted(name for theirs, *_ in table for name in words(theirs)) == sorted(ORIGINAL)
    known = {*VersionSettings.__annotations__, *EndpointSettings.__annotations__, "version_name", "namespace"}
    assert {name for _, mine, _ in table for name in words(mine)} <= known


@pytest.mark.parametrize("row", rows("| method there | here |"), ids=lambda row: row[0])
def test_every_method_is_there(row):
    theirs, mine = row
    names = re.findall(r"`(?:Maitre\.)?(\w+)", theirs if mine == "the same" else mine)
    assert names
    assert all(hasattr(Endpoint, name) or hasattr(Maitre, name) for name in names), names
