"""maitre as a contender, from this working tree or from another one.

What it does besides the work, and its peers do not: x-forwarded-* and traceparent, the request id under a second name,
exact slots with a queue, time-outs, five metrics per request. None of this is switched off.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.work import BLUE_PERCENTILE, ENDPOINT, KEY, MOST_CONNECTIONS, SCORING_PATH, Replicas


def prepare(
    directory: Path,
    port: int,
    replicas: Replicas,
    *,
    workers: int = 1,
    slots: int = MOST_CONNECTIONS,
    admin_port: int = 0,
) -> list[str]:
    """`slots`: of a replica."""
    (directory / "keys.yaml").write_text(f"primaryKey: {KEY}\nsecondaryKey: {KEY[::-1]}\n")
    (directory / "keys.yaml").chmod(0o600)
    path = directory / "endpoints.yaml"
    path.write_text(configuration(replicas, slots))
    serve = [sys.executable, "-m", "router", "serve", "--config", str(path)]
    ports = ["--host", "127.0.0.1", "--port", str(port), "--admin-port", str(admin_port)]
    return [*serve, *ports, "--state-dir", str(directory), "--log-level", "warning", "--workers", str(workers)]


def configuration(replicas: Replicas, slots: int = MOST_CONNECTIONS) -> str:
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
{_version(replicas.blue, slots)}
    - name: green
      trafficPercentile: {100 - BLUE_PERCENTILE}
{_version(replicas.green, slots)}
"""


def _version(ports: tuple[int, int], slots: int) -> str:
    urls = ", ".join(f'"http://127.0.0.1:{port}"' for port in ports)
    return f"""      target: {{urls: [{urls}]}}
      scoringPath: {SCORING_PATH}
      maxConcurrentRequestsPerReplica: {slots}"""
