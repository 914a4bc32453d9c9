"""A coordinator leases to pods, and these to their workers: the same table, one above the other.

`Pod` is what a control process is to leases, with links that keep order. The truth is what the workers hold.
"""

from collections import deque
from random import Random

import pytest

from router.core.lease_table import LeaseTable
from router.core.leases import Bound, Demand, Lease, Recall
from tests.core.lease_holder import Holder

GROUP = ("digits", "blue")


class Pod:
    """Passes on what it is leased and gives up what is recalled."""

    def __init__(self, name, workers):
        self.name = name
        self.numbers = {}
        self.fell = set()
        self.reported = Demand(GROUP, 0, 0)
        self.table = LeaseTable(lowered=lambda group, replica: self.fell.add(replica))
        self.workers = {worker: Holder(worker) for worker in workers}

    def told(self, message, now):
        """Returns what its table says to its workers."""
        if isinstance(message, Recall):
            return self.table.give_up(GROUP, message.hungry, message.yields, now)
        if message.number <= self.numbers.get(message.replica, 0):
            return []
        self.numbers[message.replica] = message.number
        self.fell.add(message.replica)  # it answers each lease
        return self.table.resize(GROUP, message.replica, message.limit, now)

    def says(self, now):
        """To the coordinator."""
        bounds = [
            Bound(GROUP, replica, self.numbers.get(replica, 0), self.table.bound_of(GROUP, replica))
            for replica in sorted(self.fell)
        ]
        self.fell.clear()
        demand = self.table.totals(GROUP, now)
        changed, self.reported = demand != self.reported, demand
        return [*bounds, demand] if changed else bounds


class Cluster:
    def __init__(self, slots, pods):
        self.now = 0.0
        self.slots = slots
        self.coordinator = LeaseTable()
        self.pods = {name: Pod(name, [f"{name}{n}" for n in range(workers)]) for name, workers in pods.items()}
        self.requests = []
        self.links = {}
        """Each way, what is on it."""
        for pod in self.pods.values():
            for worker in pod.workers:
                pod.table.join(worker, self.now)
            self.from_coordinator(self.coordinator.join(pod.name, self.now))
        for replica, n in slots.items():
            self.from_coordinator(self.coordinator.add_replica(GROUP, replica, n, self.now))

    def send(self, sender, receiver, message):
        self.links.setdefault((sender, receiver), deque()).append(message)

    def from_coordinator(self, effects):
        for pod, message in effects:
            self.send("", pod, message)

    def from_pod(self, pod, effects):
        for worker, message in effects:
            self.send(pod.name, worker, message)
        for message in pod.says(self.now):
            self.send(pod.name, "", message)

    def from_worker(self, pod, worker):
        holder = pod.workers[worker]
        for message in sorted(holder.said, key=lambda message: isinstance(message, Demand)):
            self.send(worker, pod.name, message)
        holder.said.clear()

    def deliver(self, sender, receiver):
        message = self.links[sender, receiver].popleft()
        if not self.links[sender, receiver]:
            del self.links[sender, receiver]
        if receiver == "":
            act = self.coordinator.bound if isinstance(message, Bound) else self.coordinator.demand
            self.from_coordinator(act(sender, message, self.now))
        elif receiver in self.pods:
            pod = self.pods[receiver]
            if isinstance(message, Lease | Recall):
                self.from_pod(pod, pod.told(message, self.now))
            else:
                act = pod.table.bound if isinstance(message, Bound) else pod.table.demand
                self.from_pod(pod, act(sender, message, self.now))
        else:
            pod = self.pods[sender]
            self.began(receiver, pod.workers[receiver].receive(message))
            self.from_worker(pod, receiver)
        self.check()

    def began(self, worker, replicas):
        self.requests += [(worker, replica) for replica in replicas if replica is not None]

    def pod_of(self, worker):
        return next(pod for pod in self.pods.values() if worker in pod.workers)

    def workers(self):
        return {name: holder for pod in self.pods.values() for name, holder in pod.workers.items()}

    def arrive(self, worker):
        self.began(worker, [self.workers()[worker].arrive(GROUP)])
        self.from_worker(self.pod_of(worker), worker)

    def finish(self, worker, replica):
        self.requests.remove((worker, replica))
        self.began(worker, [self.workers()[worker].finish(GROUP, replica)])
        self.from_worker(self.pod_of(worker), worker)

    def tick(self):
        self.from_coordinator(self.coordinator.tick(self.now))
        for pod in self.pods.values():
            self.from_pod(pod, pod.table.tick(self.now))

    def settle(self):
        """All that is on its way arrives, and 50 ms pass with what comes of them."""
        for _ in range(10):
            for _ in range(1000):
                if not self.links:
                    break
                self.deliver(*next(iter(self.links)))
            else:
                raise AssertionError("they talk for ever")
            self.now += 0.005
            self.tick()

    def check(self):
        for replica, slots in self.slots.items():
            held = sum(holder.held(GROUP, replica) for holder in self.workers().values())
            promised = sum(
                holder.parts[GROUP].seats[replica].bound
                for holder in self.workers().values()
                if GROUP in holder.parts and replica in holder.parts[GROUP].seats
            )
            assert held <= promised <= slots, (replica, held, promised)
            for pod in self.pods.values():
                assert pod.table.bound_of(GROUP, replica) <= self.coordinator.ceiling(pod.name, GROUP, replica)

    def starving_in_vain(self):
        workers = self.workers().values()
        held = sum(holder.part(GROUP).in_flight for holder in workers)
        return held < sum(self.slots.values()) and any(holder.part(GROUP).queued for holder in workers)


def test_a_slot_that_lies_idle_in_another_pod_comes_to_who_starves():
    cluster = Cluster({"x": 4}, {"a": 2, "b": 2})
    cluster.settle()
    for _ in range(4):
        cluster.arrive("a0")
    cluster.settle()
    assert cluster.requests == [("a0", "x")] * 4
    for _ in range(4):
        cluster.finish("a0", "x")
    for worker in ("b0", "b1"):
        cluster.arrive(worker)
    cluster.settle()
    assert not cluster.starving_in_vain()


def test_what_lies_idle_in_the_own_pod_is_not_asked_of_others():
    cluster = Cluster({"x": 4}, {"a": 2, "b": 1})
    cluster.settle()
    cluster.arrive("a0")
    cluster.arrive("a0")
    cluster.settle()
    assert sum(cluster.coordinator.ceiling("b", GROUP, replica) for replica in cluster.slots) == 2


@pytest.mark.parametrize("seed", range(40))
def test_at_random(seed):
    random = Random(seed)
    cluster = Cluster({"x": 1, "y": 2, "z": 3}, {"a": 2, "b": 2, "c": 1})
    busy = random.choice([0.2, 0.4, 0.6])
    for _ in range(400):
        cluster.now += random.choice([0.0, 0.001, 0.02])
        if cluster.links and random.random() < 0.7:
            cluster.deliver(*random.choice(list(cluster.links)))
        elif random.random() < busy:
            cluster.arrive(random.choice(list(cluster.workers())))
        elif cluster.requests:
            cluster.finish(*random.choice(cluster.requests))
        if random.random() < 0.1:
            cluster.tick()
        if random.random() < 0.02:
            cluster.settle()
            assert not cluster.starving_in_vain()
        cluster.check()
