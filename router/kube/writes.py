"""Whether the API server takes what the leader writes: said once for each reason, in the log, and in `/readyz`.

Nothing is decided here: whoever writes tries again, or goes on without. Subjects are few, such as `events in namespace
web`, whatever the number of objects. Told by all that write but the election; read by `router.serving.cluster`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from router.kube.client import explain

log = logging.getLogger("maitre.kube")


class Writes:
    """By subject: why the last write was not taken."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}

    def made(self, subject: str) -> None:
        """It was taken."""
        if self._failing.pop(subject, None) is not None:
            log.info("the API server takes it again", extra={"fields": {"subject": subject}})

    def failed(self, subject: str, error: Exception) -> None:
        """`error` is one of those that `router.kube.client.CALL_FAILED` names."""
        reason = explain(error)
        if self._failing.get(subject) != reason:
            fields = {"subject": subject, "reason": reason}
            log.warning("the API server does not take what is written", extra={"fields": fields})
        self._failing[subject] = reason

    def forget(self) -> None:
        """From now on somebody else writes."""
        self._failing.clear()

    def problems(self) -> Iterator[str]:
        """A sentence for each subject."""
        for subject, reason in self._failing.items():
            yield f"kubernetes: {subject}: not written: {reason}"

    def __repr__(self) -> str:
        return f"<Writes failing={list(self._failing)}>"
