"""What a shell offers for the name of an endpoint: the names that the admin API of the environment lists."""

from __future__ import annotations

import os
from typing import Final

import typer

from router.cli.connecting import connected
from router.client.errors import ClientError
from router.client.maitre import URL_VARIABLE

PATIENCE_S: Final = 2.0


def endpoint_names(incomplete: str) -> list[str]:
    """None where they cannot be listed: whoever presses a key at a prompt is told nothing, and offered nothing."""
    try:
        with connected(os.environ.get(URL_VARIABLE), None, None, timeout_s=PATIENCE_S) as maitre:
            return [each.name for each in maitre.list() if each.name.startswith(incomplete)]
    except (ClientError, typer.BadParameter):
        return []
