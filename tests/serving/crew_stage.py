"""A crew and its workers on one thread in virtual time, each over the link that a test chooses; all of them are real.

Only the loop is not: its clock stands still until it is moved. A `Request` is whoever waits for a slot, without the
connections. What a worker was told and what it said is kept, in order.
"""

from __future__ import annotations

import select
import socket
from heapq import heappop, heappush
from itertools import count
from pathlib import Path

from router.model.parsing import parse
from router.serving.channel_link import ChannelLink
from router.serving.crew import Crew
from router.serving.data_side import DataSide
from router.serving.local_link import LocalLink
from router.serving.messages import Served, Source
from router.store.certificates import Certificates
from router.telemetry.source import Clients
from router.workers.channel import Channel

BLUE = ("digits", "blue")
GREEN = ("digits", "green")


class Timer:
    def __init__(self, call, args):
        self.call, self.args = call, args

    def cancel(self):
        self.call = None


class Loop:
    """The part of an event loop that is used here."""

    def __init__(self):
        self.now = 1000.0
        self._timers = []
        self._order = count()
        self._readers = {}
        self.errors = []

    def time(self):
        return self.now

    def call_later(self, delay, call, *args):
        timer = Timer(call, args)
        heappush(self._timers, (self.now + delay, next(self._order), timer))
        return timer

    def call_soon(self, call, *args):
        return self.call_later(0.0, call, *args)

    def add_reader(self, fd, call):
        self._readers[fd] = call

    def remove_reader(self, fd):
        self._readers.pop(fd, None)

    def remove_writer(self, fd):
        pass

    def call_exception_handler(self, context):
        self.errors.append(context["exception"])

    @property
    def busy(self):
        return any(timer.call for _, _, timer in self._timers)

    def run(self, seconds=0.0, most=5_000):
        """Everything that is due until then. Fails where it does not come to rest."""
        end = self.now + seconds
        for _ in range(most):
            if ready := select.select(list(self._readers), [], [], 0)[0]:
                self._readers[ready[0]]()
            elif self._timers and self._timers[0][0] <= end:
                at, _, timer = heappop(self._timers)
                self.now = max(self.now, at)
                if timer.call is not None:
                    timer.call(*timer.args)
            else:
                self.now = end
                assert not self.errors, self.errors
                return
        raise AssertionError(f"no rest after {most} steps")


class Request:
    """Whoever waits for a slot."""

    def __init__(self, admission):
        self.admission, self.slot, self.late, self.answer = admission, None, False, None

    def granted(self, slot, now):
        self.slot = slot

    def lapsed(self, now):
        self.late = True


class Side:
    """A data side, and who asks it for slots. `said` is what it said; with nobody to hear it unless `say` is given."""

    def __init__(self, loop=None, say=None):
        self.loop = loop or Loop()
        self.said, self.tables = [], []
        self.clients = Clients(0, 0, 0)
        self._say = say
        self.side = DataSide(
            self.loop,
            self.loop.time,
            Certificates(),
            say=self._noted,
            publish=self.tables.append,
            clients=lambda: self.clients,
            default_namespace="default",
        )
        self.tell = self.side.tell

    def _noted(self, message):
        self.said.append(message)
        if self._say is not None:
            self._say(message)

    def taken(self, *kinds):
        """What it said since it was last asked, of these kinds or of all."""
        said, self.said[:] = list(self.said), []
        return [message for message in said if not kinds or isinstance(message, kinds)]

    def lane(self, group=BLUE):
        return self.side.front.lanes[group]

    def admission(self, group=BLUE):
        return self.lane(group).route.admission

    def begin(self, group=BLUE):
        """A request: with a slot, or it waits, or is refused."""
        admission, now = self.admission(group), self.loop.now
        request = Request(admission)
        request.slot = admission.acquire(request, request, now)
        if request.slot is None:
            request.answer = admission.enqueue(request, request, now)
            self.lane(group).route.load_rose()
        return request

    def end(self, request):
        slot, request.slot = request.slot, None
        for waiter, granted in request.admission.release(slot, request, self.loop.now):
            waiter.slot = granted


class Worker(Side):
    """`kind`: "local", or "channel"."""

    def __init__(self, stage, name, kind):
        self.stage, self.name, self.kind = stage, name, kind
        self.told = []
        loop = stage.loop
        if kind == "local":
            self.link = LocalLink(stage.crew)
            self.link.name = name
            say = self.link.say
        else:
            ours, theirs = socket.socketpair()
            self.ours = Channel(loop, ours, lambda message: stage.crew.heard(name, message), lambda: None)
            self.theirs = Channel(loop, theirs, self._told, lambda: None)
            self.link = ChannelLink(name, self.ours.send)
            say = self.theirs.send

        super().__init__(loop, say)
        self.side.tell = self._told

    def _told(self, message):
        self.told.append(message)
        self.tell(message)

    def join(self):
        if self.kind == "local":
            self.link.join(self.side)
        else:
            self.stage.crew.joined(self.link)
        return self

    def leave(self):
        """Its process is gone; what it said last was heard."""
        if self.kind == "channel":
            self.ours.finish()
            self.theirs.close()
        self.side.close()
        self.stage.crew.left(self.name)

    def close(self):
        self.side.close()
        if self.kind == "channel":
            self.ours.close()
            self.theirs.close()

    def heard(self, *kinds):
        """What it was told of these kinds."""
        return [message for message in self.told if isinstance(message, kinds)]

    def words(self, *kinds):
        return [message for message in self.said if isinstance(message, kinds)]


class Stage:
    def __init__(self):
        self.loop = Loop()
        self.rose = []
        self.crew = Crew(self.loop, self.loop.time, self.rose.append)
        self.workers = {}
        self._names = count()

    def worker(self, kind="channel"):
        """One that is not told anything yet."""
        name = str(next(self._names))
        worker = self.workers[name] = Worker(self, name, kind)
        return worker

    def join(self, kind="channel"):
        worker = self.worker(kind).join()
        self.loop.run()
        return worker

    def serve(self, *versions, **settings):
        """Opens these versions and has them served, as `fleet` does; returns their allotments."""
        slots = settings.get("maxConcurrentRequestsPerReplica", 1)
        allotments = [self.crew.open("digits", version, slots) for version in versions]
        self.configure(allotments, **settings)
        return allotments

    def configure(self, allotments, **settings):
        groups = {allotment.key[1]: allotment.group for allotment in allotments}
        source = Source(endpoint(list(groups), **settings), None, Path())
        self.crew.configure([Served("digits", source, groups)])

    def close(self):
        self.crew.close()
        for worker in self.workers.values():
            worker.close()


def endpoint(versions, auth="{mode: none}", **settings):
    more = "".join(f", {name}: {value}" for name, value in settings.items())
    rows = [
        f"    - {{name: {version}, isDefault: {str(not index).lower()}{more}, target: {{urls: ['http://127.0.0.1:1']}}}}"
        for index, version in enumerate(versions)
    ]
    head = ["apiVersion: maitre.dev/v1alpha1", "kind: ScoringEndpoint", "metadata: {name: digits, namespace: default}"]
    parsed = parse("\n".join([*head, "spec:", f"  auth: {auth}", "  versions:", *rows]), "digits.yaml")
    assert not parsed.problems, parsed.problems
    return parsed.endpoints[0]
