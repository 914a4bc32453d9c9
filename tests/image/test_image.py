"""The Dockerfile builds, and what it builds serves: as nobody, with nothing to write to."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.replicas import kept_port
from tests.image.podman import Container, Podman

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

READY = re.compile(r"maitre ready: data (http://127\.0\.0\.1:\d+) admin (http://127\.0\.0\.1:\d+)\n")
PYTHON = "/opt/digits/bin/python"
BLUE = ["/opt/digits/model.py", "--model", "/opt/digits/blue.pickle"]

ENDPOINTS = f"""
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {{name: digits}}
spec:
  auth: {{mode: none}}
  versions:
    - {{name: blue, target: {{command: {[PYTHON, *BLUE, "--port", "{port}"]}}}, maxQueueWaitMs: 60000}}
"""

WRITES = """
import errno, os, tempfile
for directory in ("/", "/tmp", "/var/tmp", "/run", "/opt/maitre", "/var/lib/maitre"):
    try:
        tempfile.TemporaryFile(dir=directory).close()
        print(directory, "was written to")
    except OSError as error:
        print(directory, errno.errorcode[error.errno])
"""

STATUS = """
import os
wanted = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
print(os.getuid(), os.getgid())
print(*(line for line in open("/proc/self/status") if line.split(":")[0] in wanted), sep="", end="")
"""

TOOLS = """
import os, shutil
names = ("gcc", "cc", "g++", "c++", "clang", "as", "ld", "make", "mypyc", "pip", "pip3")
print([path for path in map(shutil.which, names) if path])
print([path for path in ("/build", "/tools", "/own", "/root/.cache", "/opt/digits/bin/pip") if os.path.exists(path)])
"""

COMPILED = """
import importlib
for name in ("core.admission", "core.heads", "proxy.downstream", "proxy.exchange", "telemetry.counters"):
    print(importlib.import_module(f"router.{name}").__file__)
"""

CACHES = """
import importlib.util, pathlib, struct
for source in pathlib.Path("/opt").rglob("*.py"):
    cache = pathlib.Path(importlib.util.cache_from_source(source))
    if "site-packages" in source.parts and cache.exists():
        mode, mtime = struct.unpack("<4xII", cache.read_bytes()[:12])
        if mode == 0 and mtime != int(source.stat().st_mtime):
            print("stale:", cache)
    elif "site-packages" in source.parts:
        print("none:", source)
"""

SIZES = """
import os
for top in ("/opt/maitre", "/opt/digits"):
    files = (os.path.join(place, name) for place, _, names in os.walk(top) for name in names)
    print(sum(os.lstat(file).st_size for file in files) // 2**20)
"""


def test_it_says_how_it_is_to_be_run(podman: Podman, image: str) -> None:
    (found,) = json.loads(podman("image", "inspect", image))
    config = found["Config"]
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"], config["Cmd"]) == (["maitre"], ["serve", "--kubernetes"])
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp"}
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.3"


def test_it_runs_as_nobody_who_can_do_anything(podman: Podman, image: str) -> None:
    ids, *status = podman.says(image, STATUS).splitlines()
    assert ids == "65532 65532"
    values = dict(re.split(r":\s*", line) for line in status)
    assert values == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}


def test_nothing_in_it_can_be_written(podman: Podman, image: str) -> None:
    assert {line.split()[1] for line in podman.says(image, WRITES).splitlines()} == {"EROFS"}


def test_what_built_it_is_not_in_it(podman: Podman, image: str) -> None:
    assert podman.says(image, TOOLS).splitlines() == ["[]", "[]"]


def test_the_hot_path_is_compiled(podman: Podman, image: str) -> None:
    assert all(line.endswith(".so") for line in podman.says(image, COMPILED).splitlines())


def test_no_source_is_compiled_again_at_each_start(podman: Podman, image: str) -> None:
    assert podman.says(image, CACHES) == ""


def test_it_is_not_bigger_than_it_has_to_be(podman: Podman, image: str) -> None:
    router, digits = map(int, podman.says(image, SIZES).split())
    assert router < 120
    assert digits < 250


def test_it_looks_for_a_cluster_unless_told_otherwise(podman: Podman, image: str) -> None:
    with podman.start(image) as router:
        assert router.wait() == 1
    assert router.log.startswith("maitre: no cluster to connect to")


def test_the_router_serves_a_model_that_it_starts_itself(podman: Podman, image: str, tmp_path: Path) -> None:
    images, labels = _digits(40)
    tmp_path.chmod(0o755)  # in the container, somebody else reads it
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    with _serving(podman, image, tmp_path) as router, httpx.Client(trust_env=False, timeout=60) as client:
        data, admin = _addresses(router)
        assert client.get(f"{data}/healthz").status_code == 200
        assert client.get(f"{admin}/healthz").status_code == 200
        answer = client.post(f"{data}/api/v1/service/digits/score", json={"data": images})
        assert answer.status_code == 200, answer.text
        assert _right(answer, labels) > 30
        assert router.stop() == 0, router.log
        assert "msg=stopped" in router.log


def test_the_example_model_answers_as_a_container_of_its_own(podman: Podman, image: str) -> None:
    images, labels = _digits(40)
    with kept_port() as kept:
        port = str(kept.getsockname()[1])
        with podman.start(image, *BLUE, "--port", port, entrypoint=PYTHON) as model:
            assert re.fullmatch(r"pid \d+ loads blue\.pickle\n", model.line()), model.log
            answer = _first_answer(f"http://127.0.0.1:{port}/score", images)
    assert answer.status_code == 200, answer.text
    assert _right(answer, labels) > 30


def _first_answer(url: str, images: list[list[float]]) -> httpx.Response:
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.post(url, json={"data": images}, trust_env=False)
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _right(answer: httpx.Response, labels: list[int]) -> int:
    return sum(map(int.__eq__, answer.json()["predictions"], labels))


def _serving(podman: Podman, image: str, directory: Path) -> Container:
    command = ["serve", "--config", "/etc/maitre/endpoints.yaml", "--port", "0", "--admin-port", "0"]
    return podman.start(image, *command, mounts=(f"{directory}:/etc/maitre:ro",))


def _addresses(router: Container) -> tuple[str, str]:
    ready = READY.fullmatch(router.line())
    assert ready, router.log
    return ready[1], ready[2]


def _digits(number: int) -> tuple[list[list[float]], list[int]]:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn, of the extra `demo`, is not installed")
    images, labels = datasets.load_digits(return_X_y=True)
    return images[:number].tolist(), labels[:number].tolist()
