"""The held-out images of `examples/digits`, as ready-made requests with the answers that are right.

Trains the models first where there are none yet, in a process of its own: this one needs neither numpy nor the second
that importing scikit-learn takes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from examples.demo.child import child
from examples.demo.failure import DemoFailed

EXAMPLE: Final = Path(__file__).parents[1] / "digits"
ENDPOINT: Final = EXAMPLE / "endpoint.yaml"
TRAIN: Final = EXAMPLE / "train.py"
MODELS: Final = EXAMPLE.parents[1] / ".demo" / "models"  # where the commands of endpoint.yaml look for them
HELD_OUT: Final = MODELS / "held-out.json"
BATCH: Final = 20
"""Images per request: enough of them in a short run to tell a right model from a wrong one."""


@dataclass(frozen=True, slots=True)
class Question:
    """A scoring request."""

    body: bytes
    labels: tuple[int, ...]

    def right(self, answer: Any) -> int:
        """How many images an answer, parsed from JSON, has recognized."""
        predictions = answer.get("predictions") if isinstance(answer, dict) else None
        if not isinstance(predictions, list) or len(predictions) != len(self.labels):
            return 0
        return sum(map(int.__eq__, self.labels, predictions))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What neither model has seen in training."""

    questions: tuple[Question, ...]
    accuracy: Mapping[str, float]
    """Of each version, as measured when it was trained: without a router, replicas or HTTP."""


def trained() -> bool:
    """Whether models are there, of the scikit-learn and the recipe that are."""
    try:
        wanted = {"sklearn": version("scikit-learn"), "recipe": hashlib.sha256(TRAIN.read_bytes()).hexdigest()}
        made = json.loads(HELD_OUT.read_bytes())
    except FileNotFoundError:
        return False
    except PackageNotFoundError:
        raise DemoFailed("scikit-learn is missing; `make demo` installs it, or: pip install 'maitre[demo]'") from None
    return all(made.get(name) == value for name, value in wanted.items())


async def train() -> str:
    """Trains both models, some seconds; returns what the training printed."""
    async with child(sys.executable, str(TRAIN), grace_s=1.0) as process:
        output, errors = await process.communicate()
    if process.returncode != 0:
        raise DemoFailed(f"training failed:\n{errors.decode(errors='replace')}")
    return output.decode(errors="replace")


def held_out() -> HeldOut:
    content = json.loads(HELD_OUT.read_bytes())
    images, labels = content["data"], content["labels"]
    starts = range(0, len(images) - BATCH + 1, BATCH)
    return HeldOut(
        questions=tuple(_question(images[at : at + BATCH], labels[at : at + BATCH]) for at in starts),
        accuracy=content["accuracy"],
    )


def _question(images: list[list[float]], labels: list[int]) -> Question:
    return Question(json.dumps({"data": images}).encode(), tuple(labels))
