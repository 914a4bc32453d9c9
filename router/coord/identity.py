"""A router's name among routers: the pod's, the uid by which the API server knows that pod, and a part of this process.

    <pod>_<uid>.<process>      a router that was told the uid, as only a pod is
    <pod>_<process>            any other: nothing can be concluded from what pods there are

A pod whose container was started again is another router, under another name: what the one before had may be in use.
"""

from __future__ import annotations

from uuid import uuid4


def identity_of(pod: str, uid: str | None = None) -> str:
    return f"{pod}_{uid}.{uuid4()}" if uid else f"{pod}_{uuid4()}"


def pod_of(identity: str) -> str:
    return identity.rpartition("_")[0]


def pod_uid_of(identity: str) -> str | None:
    return identity.rpartition("_")[2].rpartition(".")[0] or None
