"""A process that takes part in the election, and prints what it does: `python candidate.py KUBECONFIG NAMESPACE NAME`.

One line for each turn, with the time (monotonic, which all processes of a machine share): `TIME leads`, `TIME follows`,
and `TIME writes` before each write to the Lease. SIGTERM is a clean stop.
"""

import asyncio
import contextlib
import signal
import sys
from time import monotonic

from lightkube import KubeConfig

from router.coord.election import Record, Version
from router.coord.identity import identity_of
from router.coord.leader import Leader
from router.coord.lease import ClusterLease
from router.kube.client import connect


class AnnouncedLease(ClusterLease):
    """Says what it writes before it is on its way."""

    async def write(self, record: Record, under: Version | None) -> Version:
        say("writes")
        return await super().write(record, under)


def say(what: str) -> None:
    print(f"{monotonic():.6f} {what}", flush=True)


async def main(kubeconfig: str, namespace: str, name: str) -> None:
    async with connect(KubeConfig.from_file(kubeconfig).get()) as client:
        lease = AnnouncedLease(client, namespace, "maitre")
        leader = Leader(lease, identity_of(name), lambda leading: say("leads" if leading else "follows"))
        running = asyncio.get_running_loop().create_task(leader.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await leader.release()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
