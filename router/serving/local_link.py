"""The one worker that is in the control process itself: what is said is heard at once, by a call."""

from __future__ import annotations

from router.core.leases import Group
from router.serving.crew import Crew
from router.serving.data_side import DataSide


class LocalLink:
    """A `Link` to `side`. Its words go to the crew by `say`, which the side is made with."""

    name = "0"

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._side: DataSide | None = None

    def join(self, side: DataSide) -> None:
        self._side = side
        self._crew.joined(self)

    def say(self, message: object) -> None:
        self._crew.heard(self.name, message)

    def send(self, message: object) -> None:
        if self._side is not None:
            self._side.tell(message)

    def refresh(self, group: Group) -> bool:
        if self._side is not None:
            self._side.refresh(group)
        return True
