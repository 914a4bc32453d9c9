"""Training leaves what the endpoint and the demo need, and the same every time."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo import digits

pytest.importorskip("sklearn", reason="scikit-learn, of the extra `demo`, is not installed")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, digits.TRAIN, "--models", directory], check=True, stdout=subprocess.DEVNULL)
    return directory


def test_both_models_are_good_on_images_they_have_not_seen(models: Path) -> None:
    held_out = json.loads((models / "held-out.json").read_text())
    for version, least in {"blue": 0.93, "green": 0.95}.items():
        model = pickle.loads((models / f"{version}.pickle").read_bytes())
        predictions = model.predict(held_out["data"]).tolist()
        right = sum(map(int.__eq__, predictions, held_out["labels"])) / len(predictions)
        assert right >= least
        assert right == pytest.approx(held_out["accuracy"][version])


def test_nothing_but_whole_files_is_left(models: Path) -> None:
    assert {path.name for path in models.iterdir()} == {"blue.pickle", "green.pickle", "held-out.json"}


def test_the_demo_knows_when_to_train_anew(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = models / "held-out.json"
    monkeypatch.setattr(digits, "HELD_OUT", held_out)
    assert digits.trained()
    for change in ({"recipe": "another"}, {"sklearn": "0.1"}):
        other = models.parent / "other.json"
        other.write_text(json.dumps(json.loads(held_out.read_text()) | change))
        monkeypatch.setattr(digits, "HELD_OUT", other)
        assert not digits.trained()
    monkeypatch.setattr(digits, "HELD_OUT", models / "missing.json")
    assert not digits.trained()


def test_the_demo_asks_only_what_is_held_out(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "HELD_OUT", models / "held-out.json")
    asked = digits.held_out()
    assert set(asked.accuracy) == {"blue", "green"}
    question = asked.questions[0]
    assert len(json.loads(question.body)["data"]) == len(question.labels) == digits.BATCH
    assert question.right({"predictions": list(question.labels)}) == digits.BATCH
    assert question.right({"predictions": [(label + 1) % 10 for label in question.labels]}) == 0
    for nonsense in (None, [], {}, {"predictions": []}, {"predictions": 3}):
        assert question.right(nonsense) == 0
