"""What each router may use of a replica when nobody can be asked: equal parts, the odd slots by rendezvous hash.

Every router that knows of the same routers comes to the same parts by itself, and they sum exactly to the replica's
slots. Nobody's part grows when another router becomes known, so a router that knows of fewer than the others takes
itself to have more than it has, never less. The hash is the same in every process and version (BLAKE2b).

Pure. Called by `router.coord`: by the routers for themselves, and by the coordinator for those that are cut off.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b


def shares(replica: str, slots: int, routers: Collection[str]) -> dict[str, int]:
    """How many of a replica's slots each of the routers may use. `replica` is any text that names it alone."""
    if not routers:
        return {}
    each, odd = divmod(slots, len(routers))
    return {router: each + (rank < odd) for rank, router in enumerate(_ranked(replica, routers))}


def preference(replica: str, router: str) -> int:
    """Of several routers, the odd slots of this replica go first to those for whom it is greatest."""
    return int.from_bytes(blake2b(f"{router}\0{replica}".encode(), digest_size=8).digest(), "big")


def _ranked(replica: str, routers: Collection[str]) -> list[str]:
    """Who joins or leaves changes nobody else's order."""
    return sorted(set(routers), key=lambda router: (-preference(replica, router), router))
