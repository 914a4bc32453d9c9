"""deploy/example at work: real scoring of digits by both versions, in their shares, as well as the models can."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DIGITS = REPOSITORY / "examples" / "digits"
REQUESTS = 500
CLIENTS = 4


@pytest.fixture
async def models(tmp_path) -> Path:
    """The folder with the trained models, and the images that they have not seen."""
    pytest.importorskip("sklearn", reason="scikit-learn, of the extra `demo`, is not installed")
    command = [sys.executable, str(DIGITS / "train.py"), "--models", str(tmp_path / "models")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    assert await asyncio.wait_for(process.wait(), 120) == 0
    return tmp_path / "models"


async def rendered(control_plane, models: Path) -> str:
    """As a user applies it, with the paths in the image replaced by those here, and all addresses by the pod's."""
    text = await control_plane.kubectl("kustomize", str(REPOSITORY / "deploy" / "example"))
    places = {
        "/opt/digits/bin/python": sys.executable,
        "/opt/digits/model.py": str(DIGITS / "model.py"),
        "/opt/digits/": f"{models}/",
        "0.0.0.0": "$(POD_IP)",
    }
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_both_versions_score_digits_in_their_shares(
    control_plane, namespace, kubelet, replica_sets, maitre, resource, models
):
    text = await rendered(control_plane, models)
    await control_plane.kubectl("--namespace", namespace, "apply", "-f", "-", stdin=text)
    await kubelet.ready(2, bound_s=60)
    await resource.until("Ready", "True")
    await resource.until("KeysAvailable", "True")
    key = (await resource.keys())["primaryKey"]
    held_out = json.loads((models / "held-out.json").read_text())

    # each version on all images, as who asks for it gets it
    predictions = {}
    for name in ("blue", "green"):
        images = {"data": held_out["data"]}
        answer = await maitre.connection(key).post("digits", images, azureml_model_deployment=name)
        assert (answer.status, answer.version) == (200, name)
        predictions[name] = answer.json()["predictions"]
        right = sum(map(int.__eq__, predictions[name], held_out["labels"]))
        print(f"{name}: {right / len(held_out['labels']):.1%} right")
        assert right / len(held_out["labels"]) == pytest.approx(held_out["accuracy"][name])

    # and one by one, by whichever version the split gives
    versions: Counter[str] = Counter()
    numbers = iter(range(REQUESTS))

    async def client() -> None:
        connection = maitre.connection(key)
        for number in numbers:
            answer = await connection.post("digits", {"data": [held_out["data"][number]]})
            assert answer.status == 200, answer.body
            assert answer.json()["predictions"] == [predictions[answer.version][number]]
            versions[answer.version] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
    print(versions)
    assert 0.71 < versions["blue"] / REQUESTS < 0.89  # five standard deviations
