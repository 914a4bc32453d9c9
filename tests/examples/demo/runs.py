"""A run in which everything worked, made up: the tests spoil one thing of it at a time."""

from __future__ import annotations

from pathlib import Path

from examples.demo.judge import Expected
from examples.demo.plan import Phase, Plan
from examples.demo.seen import NO_OVERHEAD, Answer, Load, PhaseBegan, Sample, Scaling, Seen, Start
from router.model.catalogue import read

ENDPOINT = Path(__file__).parents[3] / "examples" / "digits" / "endpoint.yaml"
PLAN = Plan(Phase("warm-up", 10, 3), Phase("hold", 35, 30), Phase("fall", 15, 2))
STEP, FALL = 11.0, 46.0


def expected() -> Expected:
    (endpoint,) = read(ENDPOINT).catalogue.endpoints.values()
    return Expected(PLAN, endpoint.spec, {"blue": 0.95, "green": 0.97})


def answer(due: float, version: str = "blue", replica: str = "1", status: int = 200, **others: object) -> Answer:
    values: dict[str, object] = {"right": 19, "images": 20} | others
    return Answer(due=due, done=due + 0.1, status=status, version=version, replica=replica, **values)  # type: ignore[arg-type]


def good_run() -> Seen:
    """80 requests to blue and 20 to green; blue goes from 1 to 4 replicas and back."""
    seen = Seen(router_exit=0)
    seen.phases = [PhaseBegan("warm-up", 3, 1.0), PhaseBegan("hold", 30, STEP), PhaseBegan("fall", 2, FALL)]
    seen.starts = [Start(0.5, "blue", "1", 101), Start(0.5, "green", "1", 102)]
    seen.starts += [Start(STEP + 0.3, "blue", str(number), 100 + number) for number in (3, 4, 5)]
    seen.answers = [answer(2 + 0.5 * n, replica="1" if n < 40 else "3") for n in range(80)]
    seen.answers += [answer(2 + 2.0 * n, "green") for n in range(20)]
    seen.sent = len(seen.answers)
    seen.scalings = [
        Scaling(0.4, "blue", 0, 1, "minimum", 0.0),
        Scaling(0.4, "green", 0, 1, "minimum", 0.0),
        Scaling(STEP + 0.2, "blue", 1, 4, "demand", 2.5),
        Scaling(FALL + 10.4, "blue", 4, 1, "minimum", 0.0),
    ]
    seen.samples = [
        Sample(0.0, {"blue": Load(desired=1), "green": Load(desired=1)}, NO_OVERHEAD),
        Sample(60.0, {"blue": Load(0, 1, 0, 1), "green": Load(0, 1, 0, 1)}, NO_OVERHEAD),
    ]
    return seen
