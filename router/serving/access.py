"""From an exchange that has ended to an entry of the access log. Between `router.proxy` and `router.telemetry`."""

from __future__ import annotations

from collections.abc import Callable

from router.proxy.exchange import Exchange
from router.telemetry.access_log import AccessEntry, AccessLog


def access_recorder(access_log: AccessLog) -> Callable[[Exchange, float], None]:
    """What the data plane calls at the end of every request; the second argument is the time of the end."""

    def record(exchange: Exchange, now: float) -> None:
        access_log.write(_entry(exchange, now))

    return record


def _entry(exchange: Exchange, now: float) -> AccessEntry:
    head = exchange.head
    client_id = head.client_id.partition(b": ")[2].rstrip()
    total_s = now - exchange.started
    upstream_s, queue_s = exchange.upstream_s, exchange.queue_s
    return AccessEntry(
        request_id=exchange.request_id.decode(),
        client_request_id=client_id.decode() or None,
        endpoint=exchange.version.endpoint,
        version=exchange.version.name,
        replica=exchange.replica,
        method=head.method.decode(),
        path=head.target,
        status=exchange.code,
        outcome=exchange.outcome,
        bytes_in=exchange.bytes_in,
        bytes_out=exchange.bytes_out,
        total_s=total_s,
        queue_s=queue_s,
        upstream_s=upstream_s,
        router_s=total_s - max(upstream_s, 0.0) - max(queue_s, 0.0),
        peer=exchange.peer,
    )
