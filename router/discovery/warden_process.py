"""The warden's own process: ends what maitre leaves behind, also after a kill -9. Started by `warden`, never imported.

Standard input is a pipe that only maitre, its workers, and for a moment each starting replica, hold open for writing. A
line `+<group>` puts a process group under watch and `-<group>` takes it off; the arguments are groups to begin with.
The end of input means that maitre is gone: the groups get SIGTERM, and SIGKILL after two seconds.

It imports next to nothing, so that it is there in some milliseconds and stays small, and it outlives the signals that
a terminal or a service manager sends to everything at once.
"""

import os
import signal
import sys
import time

GRACE_S = 2.0
POLL_S = 0.02


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups = set(map(int, sys.argv[1:]))
    follow(groups)
    if groups:
        report(f"maitre is gone; ending {len(groups)} replicas\n")
        end(groups)


def follow(groups: set[int]) -> None:
    """Keeps `groups` up to date until the input ends."""
    begun = b""
    while data := os.read(0, 65536):
        *lines, begun = (begun + data).split(b"\n")
        for line in lines:
            sign, group = line[:1], line[1:]
            if sign == b"+" and group.isdigit():
                groups.add(int(group))
            elif sign == b"-" and group.isdigit():
                groups.discard(int(group))


def end(groups: set[int]) -> None:
    deadline = time.monotonic() + GRACE_S
    left = {group for group in groups if reached(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = {group for group in left if reached(group, 0)}
    for group in left:
        reached(group, signal.SIGKILL)


def reached(group: int, number: int) -> bool:
    """Sends a signal (0: none, only asks); whether anybody of the group is left to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def report(line: str) -> None:
    try:
        os.write(2, line.encode())
    except OSError:
        return  # whoever read maitre's standard error went with it


if __name__ == "__main__":
    main()
