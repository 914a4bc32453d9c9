"""Where results are kept: JSON with every single figure, and a page in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).with_name("results")


def save(directory: Path, stem: str, data: Mapping[str, Any], page: str) -> list[Path]:
    """Returns the two files. `stem`: begins with or has the time, so that nothing is overwritten."""
    directory.mkdir(parents=True, exist_ok=True)
    figures, text = directory / f"{stem}.json", directory / f"{stem}.md"
    figures.write_text(json.dumps(data, indent=1) + "\n")
    text.write_text(page)
    return [figures, text]
