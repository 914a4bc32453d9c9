"""Answers that hold for a while: no more of them than a given number, and none for longer than it was said to.

`now` is monotonic seconds. Owned by `ClusterGate`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class Remembered(Generic[Question, Answer]):
    def __init__(self, size: int) -> None:
        """Of more than `size`, the one that was given first is forgotten."""
        self._size = size
        self._answers: dict[Question, tuple[Answer, float]] = {}

    def answer(self, question: Question, now: float) -> Answer | None:
        """None: to be asked."""
        found = self._answers.get(question)
        if found is None:
            return None
        answer, until = found
        if now >= until:
            del self._answers[question]
            return None
        return answer

    def remember(self, question: Question, answer: Answer, until: float) -> None:
        self._answers.pop(question, None)
        if len(self._answers) >= self._size:
            del self._answers[next(iter(self._answers))]
        self._answers[question] = answer, until

    def __repr__(self) -> str:
        return f"<Remembered {len(self._answers)} of at most {self._size}>"
