"""The peers' configurations say the work, their own readers accept them, and they do it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

from bench import contenders, stand_in
from bench.peers import envoy, haproxy, nginx
from bench.processes import running
from bench.proof import Unfit, prove
from bench.rounds import free_ports, wait_until_open
from bench.work import KEY, PATH, SCORING_PATH, Replicas

REPLICAS = Replicas(blue=(5001, 5002), green=(5003, 5004))
PEERS = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy}
CORE = min(os.sched_getaffinity(0))


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> ModuleType:
    module = PEERS[request.param]
    program = envoy.binary() if module is envoy else shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    return module


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    """The stand-in, running."""
    one, two, three, four = ports = free_ports(4)
    directory = tmp_path / "stand-in"
    directory.mkdir()
    log = directory / "log"
    command = stand_in.command(ports, directory)
    with running(command, CORE, log, cwd=contenders.TREE) as process:
        wait_until_open("the stand-in", four, process, log)
        yield Replicas(blue=(one, two), green=(three, four))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[list[str], int], None]]:
    with ExitStack() as ends:

        def run(command: list[str], port: int) -> None:
            log = tmp_path / "log"
            process = ends.enter_context(running(command, CORE, log))
            wait_until_open(command[0], port, process, log)

        yield run


@pytest.mark.parametrize(
    "text",
    [
        nginx.configuration(Path("/nowhere"), 8080, REPLICAS),
        haproxy.configuration(8080, REPLICAS),
        envoy.configuration(8080, REPLICAS),
    ],
    ids=PEERS,
)
def test_a_peer_has_key_path_split_and_all_replicas(text: str) -> None:
    for needed in (f"Bearer {KEY}", PATH, SCORING_PATH, "80", *(str(port) for port in REPLICAS.all)):
        assert needed in text


def test_a_peer_s_own_reader_accepts_its_configuration(peer: ModuleType, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    said = subprocess.run(
        peer.check(peer.prepare(tmp_path, port, REPLICAS)), capture_output=True, text=True, check=False, timeout=30
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_peer_does_the_work(
    peer: ModuleType, replicas: Replicas, start: Callable[[list[str], int], None], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    start(peer.prepare(tmp_path, port, replicas), port)
    prove(peer.__name__, port)


LEFT_OUT = {
    "the credential stays": ('proxy_set_header Authorization "";', "", "replica saw 'authorization=Bearer"),
    "no request id for the model": ("proxy_set_header x-request-id $request_id;", "", "request-id= path"),
    "no request id for the client": ("add_header x-request-id $request_id always;", "", "request-id="),
    "everybody may come in": ("if ($allowed = 0) { return 401; }", "", "answers 200 to a wrong key"),
    "half and half": ("80% blue;", "50% blue;", "does not split 80 to 20"),
    "another path": (f"proxy_pass http://$version{SCORING_PATH};", "proxy_pass http://$version/other;", "path=/other"),
}


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize(("work", "instead", "said"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_who_leaves_out_work_is_unfit(
    work: str, instead: str, said: str, replicas: Replicas, start: Callable[[list[str], int], None], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    command = nginx.prepare(tmp_path, port, replicas)
    path = tmp_path / "nginx.conf"
    assert work in path.read_text()
    path.write_text(path.read_text().replace(work, instead))
    start(command, port)
    with pytest.raises(Unfit, match=said):
        prove("nginx", port)
