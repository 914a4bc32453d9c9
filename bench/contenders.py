"""Who is measured, and how each is told to do the work of `bench.work`.

All of them: one process or thread that takes requests, no access log, kept-alive connections on both sides.
What maitre does besides, and the others do not: x-forwarded-* and traceparent, the request id under a second name,
exact slots with a queue, time-outs, five metrics per request.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.work import BLUE_PERCENTILE, CONNECTIONS, ENDPOINT, KEY, PATH, SCORING_PATH, Replicas

MAITRE: Final = "maitre"
BASE: Final = "maitre, base"
NGINX: Final = "nginx"
HAPROXY: Final = "HAProxy"
TREE: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Contender:
    """`prepare(directory, port, replicas)` writes what the server reads into `directory` and returns its command."""

    name: str
    version: str
    prepare: Callable[[Path, int, Replicas], list[str]]
    cwd: Path | None = None


def installed(base: Path | None = None) -> tuple[list[Contender], list[str]]:
    """Those that can run here, and who is missing. `base`: another working tree of maitre, to compare with."""
    found = [_maitre(MAITRE, TREE)]
    if base is not None:
        found.append(_maitre(BASE, base.resolve()))
    missing = []
    for name, program, prepare in ((NGINX, "nginx", nginx), (HAPROXY, "haproxy", haproxy)):
        if shutil.which(program):
            found.append(Contender(name, _version(program), prepare))
        else:
            missing.append(name)
    return found, missing


def environment() -> dict[str, str]:
    """Ours, without settings of maitre: they would change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAITRE_")}


# -- nginx ------------------------------------------------------------------------------------------------------------


def nginx(directory: Path, port: int, replicas: Replicas) -> list[str]:
    configuration = directory / "nginx.conf"
    configuration.write_text(nginx_configuration(directory, port, replicas))
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(configuration)]


def nginx_configuration(directory: Path, port: int, replicas: Replicas) -> str:
    return f"""
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  keepalive_requests 1000000000;
  map_hash_bucket_size 128;
  map $http_authorization $allowed {{
    default 0;
    "Bearer {KEY}" 1;
  }}
  split_clients $request_id $version {{
    {BLUE_PERCENTILE}% blue;
    * green;
  }}
  {_nginx_upstream("blue", replicas.blue)}
  {_nginx_upstream("green", replicas.green)}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = {PATH} {{
      if ($allowed = 0) {{ return 401; }}
      proxy_pass http://$version{SCORING_PATH};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header Authorization "";
      proxy_set_header x-request-id $request_id;
      add_header x-request-id $request_id always;
      add_header azureml-model-deployment $version always;
    }}
  }}
}}
"""


def _nginx_upstream(name: str, ports: tuple[int, int]) -> str:
    servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
    keep = f"keepalive {2 * CONNECTIONS}; keepalive_requests 1000000000;"
    return f"upstream {name} {{ zone {name} 64k; least_conn; {servers} {keep} }}"


# -- HAProxy ----------------------------------------------------------------------------------------------------------


def haproxy(directory: Path, port: int, replicas: Replicas) -> list[str]:
    configuration = directory / "haproxy.cfg"
    configuration.write_text(haproxy_configuration(port, replicas))
    return ["haproxy", "-db", "-f", str(configuration)]


def haproxy_configuration(port: int, replicas: Replicas) -> str:
    return f"""
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  http-reuse always
frontend scoring
  bind 127.0.0.1:{port} backlog 1024
  unique-id-format %[uuid()]
  unique-id-header x-request-id
  http-request deny deny_status 404 unless {{ path {PATH} }}
  http-request deny deny_status 401 unless {{ req.hdr(authorization) -m str "Bearer {KEY}" }}
  http-request del-header authorization
  http-request set-path {SCORING_PATH}
  use_backend green if {{ rand(100) ge {BLUE_PERCENTILE} }}
  default_backend blue
{_haproxy_backend("blue", replicas.blue)}
{_haproxy_backend("green", replicas.green)}
"""


def _haproxy_backend(name: str, ports: tuple[int, int]) -> str:
    servers = "\n".join(f"  server {name}-{port} 127.0.0.1:{port}" for port in ports)
    return f"""backend {name}
  balance leastconn
  http-response set-header x-request-id %[unique-id]
  http-response set-header azureml-model-deployment {name}
{servers}"""


# -- maitre -----------------------------------------------------------------------------------------------------------


def _maitre(name: str, tree: Path) -> Contender:
    return Contender(name, _revision(tree), maitre, cwd=tree)


def maitre(directory: Path, port: int, replicas: Replicas) -> list[str]:
    (directory / "keys.yaml").write_text(f"primaryKey: {KEY}\nsecondaryKey: {KEY[::-1]}\n")
    (directory / "keys.yaml").chmod(0o600)
    configuration = directory / "endpoints.yaml"
    configuration.write_text(maitre_configuration(replicas))
    serve = [sys.executable, "-m", "router", "serve", "--config", str(configuration)]
    ports = ["--host", "127.0.0.1", "--port", str(port), "--admin-port", "0"]
    return [*serve, *ports, "--state-dir", str(directory), "--log-level", "warning", "--workers", "1"]


def maitre_configuration(replicas: Replicas) -> str:
    return f"""
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata: {{name: {ENDPOINT}}}
spec:
  auth: {{mode: key, keysFile: keys.yaml}}
  versions:
    - name: blue
      isDefault: true
      trafficPercentile: {BLUE_PERCENTILE}
{_maitre_version(replicas.blue)}
    - name: green
      trafficPercentile: {100 - BLUE_PERCENTILE}
{_maitre_version(replicas.green)}
"""


def _maitre_version(ports: tuple[int, int]) -> str:
    urls = ", ".join(f'"http://127.0.0.1:{port}"' for port in ports)
    return f"""      target: {{urls: [{urls}]}}
      scoringPath: {SCORING_PATH}
      maxConcurrentRequestsPerReplica: {CONNECTIONS}"""


# -- versions ---------------------------------------------------------------------------------------------------------


def _version(program: str) -> str:
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    match = re.search(r"\d+\.\d+[\w.]*", said.stdout + said.stderr)
    return match[0] if match else "unknown"


def _revision(tree: Path) -> str:
    """The commit of a working tree, marked when it was changed since; where there is none, the directory's name."""
    git = ["git", "-C", str(tree), "describe", "--always", "--dirty", "--exclude=*"]
    said = subprocess.run(git, capture_output=True, text=True, check=False)
    return said.stdout.strip() or tree.name
