"""How results are printed: `-o table|json|yaml`, the same for every command."""

from __future__ import annotations

import json
from enum import StrEnum
from io import StringIO
from typing import Annotated, Any, TypeAlias

import typer


class OutputFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output: TypeAlias = Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print it.")]


def formatted(data: dict[str, Any], table: str, output: OutputFormat) -> str:
    """`data` for programs, or `table`, which is for people; ends with a line end."""
    match output:
        case OutputFormat.TABLE:
            return table
        case OutputFormat.JSON:
            return json.dumps(data, indent=2) + "\n"
        case OutputFormat.YAML:
            from ruamel.yaml import YAML  # noqa: PLC0415  slow to import, and mostly not needed

            stream = StringIO()
            yaml = YAML(typ="safe", pure=True)
            yaml.default_flow_style = False
            yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
            yaml.width = 10_000  # one line for one message
            yaml.dump(data, stream)
            return stream.getvalue()
