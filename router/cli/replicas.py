"""`maitre replicas`: the sizing formula as a command. Pure arithmetic, no router is asked. Mounted by `cli/main.py`.

In table form it prints the number alone, so that a script can take it as it is; json and yaml add what it was computed
from. Nonsense is answered with one sentence on standard error, naming option, value and range, and exit code 2.
"""

from __future__ import annotations

from math import nan
from typing import Annotated

import typer

from autoscaler.errors import OutOfRange
from autoscaler.sizing import replicas_needed
from router.cli.output import OutputFormat, formatted

# Numbers come as text: the parser of the command line would refuse a wrong one in its own words, over several lines.
Rps = Annotated[str, typer.Option(metavar="NUMBER", help="Requests per second to be served.")]
Seconds = Annotated[str, typer.Option(metavar="NUMBER", help="Time that the model takes for one request.")]
Concurrency = Annotated[str, typer.Option(metavar="N", help="Requests that one replica takes at a time.")]
Utilization = Annotated[str, typer.Option(metavar="PERCENT", help="Share of its slots that is to be busy, 1 to 100.")]
Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="table prints the number alone.")]


def replicas(
    rps: Rps,
    seconds: Seconds,
    concurrency: Concurrency = "1",
    utilization: Utilization = "70",
    output: Output = OutputFormat.TABLE,
) -> None:
    """How many replicas a load needs: rps × seconds / utilization / concurrency, rounded up."""
    load = {"rps": _number(rps), "seconds": _number(seconds)}
    replica = {"concurrency": _whole(concurrency), "utilization": _whole(utilization)}
    try:
        needed = replicas_needed(load["rps"], load["seconds"], replica["concurrency"], replica["utilization"])
    except OutOfRange as refusal:
        typed = {"rps": rps, "seconds": seconds, "concurrency": concurrency, "utilization": utilization}
        typer.echo(refusal.sentence(f"--{refusal.name}", repr(typed[refusal.name])), err=True)
        raise typer.Exit(2) from None
    typer.echo(formatted({**load, **replica, "replicas": needed}, f"{needed}\n", output), nl=False)


# NaN and 0 stand for what cannot be read: both are refused, in the words of the rule.
def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
