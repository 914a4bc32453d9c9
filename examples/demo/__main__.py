"""The command: `python -m examples.demo [--quick] [--router-log FILE]`.

Exits 0 when everything was seen to work, 1 when something was not, and 128 + the signal's number when stopped by one
(130 for Ctrl-C). A second Ctrl-C changes nothing: ending takes seconds, and cutting it short would leave processes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from examples.demo import digits
from examples.demo.display import display_on, is_live
from examples.demo.failure import DemoFailed
from examples.demo.judge import Expected, judge
from examples.demo.plan import FULL, QUICK, Plan
from examples.demo.session import endpoint, run
from examples.demo.summary import summary, verdicts


async def demo(plan: Plan, log: Path, console: Console, *, live: bool) -> int:
    """Runs, shows, sums up and judges; the exit status."""
    console.print(f"The log of the router goes to {log}.", soft_wrap=True)
    if not digits.trained():
        console.print("Training two models of handwritten digits ...")
        console.print((await digits.train()).rstrip(), soft_wrap=True)
    held_out = digits.held_out()
    expected = Expected(plan, endpoint(), held_out.accuracy)
    with display_on(console, live=live) as display:
        seen = await run(expected, held_out, display, log)
    checks = judge(seen, expected)
    for line in summary(seen, expected):
        console.print(line, soft_wrap=True)
    console.print("\nChecks")
    for check, line in verdicts(checks):
        console.print(line, soft_wrap=True, style=None if check.ok else "bold red")
    return 0 if all(check.ok for check in checks) else 1


async def until_signalled(work: Coroutine[Any, Any, int]) -> int:
    """The status of `work`; the first SIGINT, SIGTERM or SIGHUP cancels it, and it ends in its own good order."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name="demo")
    signals: list[int] = []

    def signalled(number: int) -> None:
        if not signals:
            task.cancel()
        signals.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signalled, number)
    await asyncio.wait({task})
    if signals and (task.cancelled() or task.exception() is not None):
        print("demo: stopped, with everything that it had started", file=sys.stderr)
        return 128 + signals[0]
    return task.result()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="maitre at work on a real model.")
    parser.add_argument("--quick", action="store_true", help="half a minute instead of a minute and a half")
    parser.add_argument("--router-log", type=Path, default=digits.MODELS.parent / "router.log", metavar="FILE")
    arguments = parser.parse_args()
    live = is_live(terminal=sys.stdout.isatty(), environment=os.environ)
    # FORCE_COLOR is no reason to write control characters into a pipe
    console = Console(force_terminal=sys.stdout.isatty() and live, highlight=False, markup=False)
    work = demo(QUICK if arguments.quick else FULL, arguments.router_log, console, live=live)
    try:
        return asyncio.run(until_signalled(work))
    except* DemoFailed as failures:
        failure = failures.exceptions[0]
        print(f"demo: {failure}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
