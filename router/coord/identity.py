"""A router's name among routers: the pod's, and a part of this process alone.

A pod whose container was started again is another router, under another name: what the one before had may be in use.
"""

from __future__ import annotations

from uuid import uuid4


def identity_of(pod: str) -> str:
    return f"{pod}_{uuid4()}"


def pod_of(identity: str) -> str:
    return identity.rpartition("_")[0]
