"""nginx: auth by map, split by `split_clients`, buffers that take 10 KB in one piece."""

from __future__ import annotations

from pathlib import Path

from bench.work import BLUE_PERCENTILE, KEY, MOST_CONNECTIONS, PATH, SCORING_PATH, Replicas


def prepare(directory: Path, port: int, replicas: Replicas) -> list[str]:
    path = directory / "nginx.conf"
    path.write_text(configuration(directory, port, replicas))
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(path)]


def check(command: list[str]) -> list[str]:
    """The command that only reads the configuration."""
    return [*command, "-t"]


def configuration(directory: Path, port: int, replicas: Replicas) -> str:
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
  client_body_buffer_size 16k;
  proxy_buffer_size 16k;
  proxy_buffers 4 16k;
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
  {_upstream("blue", replicas.blue)}
  {_upstream("green", replicas.green)}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = {PATH} {{
      if ($allowed = 0) {{ return 401; }}
      proxy_pass http://$version{SCORING_PATH};
      proxy_http_version 1.1;
      proxy_next_upstream_tries 2;
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


def _upstream(name: str, ports: tuple[int, int]) -> str:
    servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
    keep = f"keepalive {2 * MOST_CONNECTIONS}; keepalive_requests 1000000000;"
    return f"upstream {name} {{ zone {name} 64k; least_conn; {servers} {keep} }}"
