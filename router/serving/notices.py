"""What the owner of an endpoint is told by Kubernetes Events, beside the log: decisions, findings, verdicts.

One per router; tells through `router.kube.events`, which is silent while another router leads. What stands already when
a router starts is in the conditions, and is not told again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from router.kube.events import Notice, Subject
from router.model.spec import API_VERSION, KIND, EndpointKey
from router.store.configuration import Origin


class Notices:
    """Knows the resources of the configuration in force; `write` takes each notice."""

    def __init__(self, write: Callable[[Notice], None]) -> None:
        self._write = write
        self._origins: Mapping[EndpointKey, Origin] | None = None

    def judged(self, origins: Mapping[EndpointKey, Origin]) -> None:
        """A configuration came into force: tells of each resource whose verdict is new."""
        before, self._origins = self._origins, origins
        if before is None:
            return
        for key, origin in origins.items():
            known = before.get(key)
            if known is None or (known.uid, known.generation, known.problems) != (
                origin.uid,
                origin.generation,
                origin.problems,
            ):
                self._verdict(key, origin)

    def tell(self, endpoint: EndpointKey, reason: str, message: str, *, warning: bool = False) -> None:
        """Something about one endpoint; nothing is told of what is there no more."""
        origin = (self._origins or {}).get(endpoint)
        if origin is None:
            return
        namespace, name = endpoint
        subject = Subject(API_VERSION, KIND, namespace, name, origin.uid)
        self._write(Notice(subject, reason, message, "Warning" if warning else "Normal"))

    def _verdict(self, key: EndpointKey, origin: Origin) -> None:
        if origin.problems:
            message = "; ".join(": ".join(filter(None, (each.key, each.message))) for each in origin.problems)
            self.tell(key, "Refused", f"generation {origin.generation}: {message}", warning=True)
        else:
            self.tell(key, "Accepted", f"generation {origin.generation} is in force")
