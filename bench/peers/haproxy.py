"""HAProxy: auth by ACL, split by `rand`, its default buffers, which take 10 KB in one piece."""

from __future__ import annotations

from pathlib import Path

from bench.work import BLUE_PERCENTILE, KEY, PATH, SCORING_PATH, Replicas


def prepare(directory: Path, port: int, replicas: Replicas) -> list[str]:
    path = directory / "haproxy.cfg"
    path.write_text(configuration(port, replicas))
    return ["haproxy", "-db", "-f", str(path)]


def check(command: list[str]) -> list[str]:
    """The command that only reads the configuration."""
    return [*command, "-c"]


def configuration(port: int, replicas: Replicas) -> str:
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
  retries 1
  option redispatch 1
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
{_backend("blue", replicas.blue)}
{_backend("green", replicas.green)}
"""


def _backend(name: str, ports: tuple[int, int]) -> str:
    servers = "\n".join(f"  server {name}-{port} 127.0.0.1:{port}" for port in ports)
    return f"""backend {name}
  balance leastconn
  http-response set-header x-request-id %[unique-id]
  http-response set-header azureml-model-deployment {name}
{servers}"""
