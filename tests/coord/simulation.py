"""A cluster of routers in one thread, in virtual time: their coordinators and members as they are, all else simulated.

`Cluster.used` is the ground truth: requests that really hold a slot of a replica, in whichever pod. A request ends
within LONGEST_S. The network between two routers is as `Cluster.net` says: messages take a moment, or hang; connections
break. The Lease is `Office`: who leads by its clock, and the list of routers.
"""

from heapq import heappop, heappush
from itertools import count

from router.coord.coordinator import Coordinator
from router.coord.member import Member
from router.core.leases import Demand

LONGEST_S = 20.0
CALL_S = 0.3
"""From an announcement to its place in the Lease, at most."""
GROUP = ("digits", "blue")


class Timer:
    def __init__(self, call, args):
        self.call, self.args = call, args

    def cancel(self):
        self.call = None


class Loop:
    """The part of an event loop that coordinator and member use."""

    def __init__(self):
        self.time = 1000.0
        self._timers = []
        self._order = count()

    def now(self):
        return self.time

    def call_later(self, delay, call, *args):
        timer = Timer(call, args)
        heappush(self._timers, (self.time + delay, next(self._order), timer))
        return timer

    def call_soon(self, call, *args):
        return self.call_later(0.0, call, *args)

    def run(self, seconds):
        end = self.time + seconds
        while self._timers and self._timers[0][0] <= end:
            at, _, timer = heappop(self._timers)
            self.time = max(self.time, at)
            if timer.call is not None:
                timer.call(*timer.args)
        self.time = end


class End:
    """One end of a link between two routers."""

    def __init__(self, cluster, here, there, owner):
        self.cluster, self.here, self.peer, self.owner = cluster, here, there, owner
        self.other = None
        self.open = True
        self.coming = []
        """What the other end sent, None for its end; in order."""

    def send(self, message):
        if self.open:
            self._push(message)

    def close(self, reason):
        if self.open:
            self._push(None)
            self._end(reason)

    def _push(self, message):
        self.other.coming.append(message)
        self.cluster.loop.call_later(self.cluster.delay(), self.other.deliver)

    def deliver(self):
        if not self.coming or not self.cluster.passes(self.peer, self.here):
            return
        message = self.coming.pop(0)
        if not self.open:
            return
        if message is None:
            self._end("the peer closed the connection")
        else:
            self.owner.received(self, message)

    def deliver_all(self):
        for _ in range(len(self.coming)):
            self.deliver()

    def _end(self, reason):
        self.open = False
        self.cluster.loop.call_soon(self.owner.closed, self, reason)


class Office:
    """What one router sees of the Lease."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name

    @property
    def leading(self):
        return self.cluster.leader == self.name

    @property
    def address(self):
        return self.cluster.leader

    @property
    def recorded(self):
        return self.cluster.listed

    def announce(self, routers):
        announced = self.announced = tuple(routers)

        def write():
            if self.leading and announced is self.announced:
                self.cluster.listed = announced

        self.cluster.loop.call_later(self.cluster.random.uniform(0, CALL_S), write)


class Pod:
    """The workers of one router: requests take slots as they come."""

    def __init__(self, router):
        self.router = router
        self.limits = {}
        self.running = {}
        self.queued = 0
        self.served = 0
        self.wanted = None
        """What was said last."""
        self.hungry = self.yields = 0

    def lend(self, group, replica, limit):
        self.limits[group, replica] = limit
        self.serve()

    def recall(self, group, hungry, yields):
        self.hungry, self.yields = hungry, yields
        for place in list(self.limits):
            while self._gives_back(place):
                pass

    def in_use(self, group, replica):
        return self.running.get((group, replica), 0)

    def replicas(self):
        return [(*place, slots) for place, slots in self.router.cluster.slots.items()]

    def request(self):
        self.queued += 1
        self.serve()

    def serve(self):
        for place, limit in list(self.limits.items()):
            while self.queued and self.running.get(place, 0) < limit:
                self.queued -= 1
                self.running[place] = self.running.get(place, 0) + 1
                cluster = self.router.cluster
                cluster.check(place)
                cluster.loop.call_later(cluster.service_s(), self.done, place)
        demand = Demand(GROUP, self.queued, sum(self.running.values()))
        if demand != self.wanted and (self.queued or (self.wanted and self.wanted.queued)):
            self.wanted = demand
            self.router.member.wants(demand)

    def done(self, place):
        if not self.router.alive:
            return
        self.running[place] -= 1
        self.served += 1
        if not self._gives_back(place):
            self.router.member.fell(*place)
        self.serve()

    def _gives_back(self, place):
        """One slot, if it is asked for and idle."""
        limit = self.limits.get(place, 0)
        if limit <= self.running.get(place, 0) or not (self.yields or (self.hungry and not self.queued)):
            return False
        self.yields, self.hungry = max(0, self.yields - 1), max(0, self.hungry - 1)
        self.limits[place] = limit - 1
        self.router.member.gave_up(*place, limit - 1)
        return True


class Router:
    def __init__(self, cluster, name, alone):
        self.cluster, self.name, self.alive = cluster, name, True
        self.link = None
        office, loop = Office(cluster, name), cluster.loop
        self.loads = {}
        self.pod = Pod(self)
        self.coordinator = Coordinator(
            name, office, longest_s=lambda group: LONGEST_S, loaded=self._loaded, now=loop.now, loop=loop
        )
        self.member = Member(name, self.pod, alone=alone, longest_s=lambda: LONGEST_S, now=loop.now, loop=loop)
        for (group, replica), slots in cluster.slots.items():
            self.coordinator.resize(group, replica, slots)
        self.member.start()
        self._seek()

    def _loaded(self, name, rows):
        self.loads.setdefault(name, []).extend(rows)

    def _seek(self):
        """As `Seeking` does."""
        if not self.alive:
            return
        leader = self.cluster.leader
        if self.link is not None and self.link.open and leader not in (self.link.peer, ""):
            self.link.close("another router leads")
        if (self.link is None or not self.link.open) and leader and self.cluster.passes(self.name, leader):
            self.link = self.cluster.connect(self, self.cluster.routers[leader])
        self.cluster.loop.call_later(self.cluster.random.uniform(0.1, 0.5), self._seek)

    def die(self):
        self.alive = False
        self.pod.running.clear()
        self.member.stop()
        self.coordinator._table = None
        for end in self.cluster.ends(self.name):
            end.open = False


class Cluster:
    def __init__(self, random):
        self.random = random
        self.loop = Loop()
        self.slots = {}
        self.routers = {}
        self.leader = ""
        self.listed = ()
        self.hung = set()
        """Pairs of which the first one's messages do not come to the second one."""
        self._ends = []
        self.service_s = lambda: random.choice((0.05, 0.5, LONGEST_S))
        self.excess = 0
        """How many slots too many were ever in use at once."""

    def add(self, name, *, alone=False):
        router = self.routers[name] = Router(self, name, alone)
        return router

    def resize(self, replica, slots):
        self.slots[GROUP, replica] = slots
        for router in self.alive:
            router.coordinator.resize(GROUP, replica, slots)

    @property
    def alive(self):
        return [router for router in self.routers.values() if router.alive]

    def used(self, place):
        return sum(router.pod.running.get(place, 0) for router in self.alive)

    def check(self, place):
        self.excess = max(self.excess, self.used(place) - self.slots[place])

    def lead(self, name):
        """The one that led leads no more; nobody, if empty."""
        before, self.leader = self.leader, ""
        if before and self.routers[before].alive:
            self.routers[before].coordinator.end()
        self.leader = name
        if name:
            self.listed = tuple({*self.listed, name})
            self.routers[name].coordinator.begin()

    def kill(self, name):
        self.routers[name].die()
        if self.leader == name:
            self.leader = ""

    def delay(self):
        return 0.002

    def passes(self, sender, receiver):
        there = self.routers.get(receiver)
        return (sender, receiver) not in self.hung and there is not None and there.alive

    def hang(self, *pairs):
        self.hung.update(pairs)

    def part(self, one, *others):
        for other in others:
            self.hung |= {(one, other), (other, one)}

    def heal(self):
        self.hung.clear()
        for end in list(self._ends):
            end.deliver_all()

    def ends(self, name):
        return [end for end in self._ends if end.here == name]

    def connect(self, router, leader):
        end = End(self, router.name, leader.name, router.member)
        other = End(self, leader.name, router.name, leader.coordinator)
        end.other, other.other = other, end
        self._ends = [*(known for known in self._ends if known.open or known.coming), end, other]
        leader.coordinator.opened(other)
        router.member.opened(end)
        return end

    def run(self, seconds):
        self.loop.run(seconds)
