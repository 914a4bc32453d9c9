"""Trains the two versions of the digits endpoint on the data set that scikit-learn ships, in a few seconds.

    python examples/digits/train.py [--models DIR]

Writes into DIR (default `.demo/models` at the root of the repository)

    blue.pickle     a logistic regression, the version in use
    green.pickle    a random forest, the one that is to show that it is better
    held-out.json   images and labels that neither has seen, and how many of them each got right: for whoever wants to
                    check the answers

Split and seeds are fixed, so the models are the same on every machine with the same scikit-learn. `held-out.json` says
which one it was, since a pickle of one release is not for another, and by which state of this file (`recipe`): then
nobody serves old models by mistake. Each file appears whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any, Final

import sklearn  # type: ignore[import-untyped]
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

MODELS: Final = Path(__file__).resolve().parents[2] / ".demo" / "models"
SEED: Final = 20
HELD_OUT_SHARE: Final = 0.5  # more than usual: the answers to these images are the proof that routing broke nothing


def train(directory: Path) -> dict[str, float]:
    """Trains, writes the three files, and returns the accuracy of each version on the held-out part."""
    images, labels = load_digits(return_X_y=True)
    seen, held_out, seen_labels, held_out_labels = train_test_split(
        images, labels, test_size=HELD_OUT_SHARE, random_state=SEED, stratify=labels
    )
    models: dict[str, Any] = {
        "blue": LogisticRegression(C=0.01, max_iter=3000),
        "green": RandomForestClassifier(n_estimators=100, random_state=SEED),
    }
    directory.mkdir(parents=True, exist_ok=True)
    accuracy = {}
    for name, model in models.items():
        model.fit(seen, seen_labels)
        accuracy[name] = float(model.score(held_out, held_out_labels))
        _write(directory / f"{name}.pickle", pickle.dumps(model))
    examples = {
        "data": held_out.tolist(),
        "labels": held_out_labels.tolist(),
        "accuracy": accuracy,
        "sklearn": sklearn.__version__,
        "recipe": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    _write(directory / "held-out.json", json.dumps(examples).encode())  # last: where it is, the models are
    return accuracy


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the models of the digits endpoint.")
    parser.add_argument("--models", type=Path, default=MODELS, help="where to put them (default: %(default)s)")
    directory: Path = parser.parse_args().models
    for name, accuracy in train(directory).items():
        print(f"{name}: {accuracy:.1%} of the held-out images right, kept in {directory / name}.pickle")


if __name__ == "__main__":
    main()
