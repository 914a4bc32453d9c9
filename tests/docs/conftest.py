"""A router that the pages' examples are run against, with the models that they start."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[1] / "e2e" / "model.py"
READY = re.compile(r"admin (http://127\.0\.0\.1:\d+)")
STOP_S = 30


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`maitre serve` without an endpoint; the environment leads to it. Models are `model.py` and `model_b.py`."""
    config, state = tmp_path / "endpoints.yaml", tmp_path / "state"
    config.write_text("[]\n")
    for name in ("model.py", "model_b.py"):
        shutil.copy(MODEL, tmp_path / name)
    command = [sys.executable, "-m", "router", "serve", "--config", str(config), "--state-dir", str(state)]
    command += ["--port", "0", "--admin-port", "0", "--workers", "1"]
    # `python` in the pages is the one that runs the tests
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PATH": path}
    )
    with process:
        try:
            assert process.stdout is not None
            found = READY.search(process.stdout.readline())
            assert found is not None
            monkeypatch.setenv("MAITRE_ADMIN_URL", found[1])
            monkeypatch.setenv("MAITRE_ADMIN_TOKEN", (state / "admin-token").read_text().strip())
            yield
        finally:
            process.terminate()
            assert process.wait(STOP_S) == 0
