"""All pods of the namespaces that are followed, and who wants to know of which: versions, by their label selectors.

A change of a pod reaches the subscriptions that it matches and no other: those are filed by namespace, and there under
one label that their selector demands, the one that fewest others are filed under. So the cost of a change does not grow
with the number of subscriptions, nor that of a subscription with the number of pods. What of a pod does not matter to
us (most changes of its status) reaches nobody.

The sink of Reflectors of `PodObject`: one for all namespaces, or one for each; a new list tells what went while nobody
looked. Made by the composition root; asked by `pod_replicas`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from router.discovery.pod import Pod, PodObject
from router.discovery.selectors import Label, Selector

K = TypeVar("K")


class Subscriber(Protocol):
    """Who wants to know about pods. Called on the event loop; nothing here waits."""

    def put(self, pod: Pod) -> None:
        """It is new, or another than it was, or only now has the labels."""

    def gone(self, pod: Pod) -> None:
        """It is there no more, or has the labels no more; this is what it was when last told of."""


class Subscription:
    """Whom to tell of which pods, until `close`."""

    def __init__(self, place: _Namespace, selector: Selector, subscriber: Subscriber) -> None:
        self.selector = selector
        self.subscriber = subscriber
        self._place = place
        self._label = place.file(self)

    def pods(self) -> Iterator[Pod]:
        """Those that match now."""
        return self._place.matching(self.selector)

    def close(self) -> None:
        self._place.unfile(self, self._label)

    def __repr__(self) -> str:
        return f"<Subscription {self.selector} for {self.subscriber}>"


class PodBoard:
    def __init__(self) -> None:
        self._namespaces: defaultdict[str, _Namespace] = defaultdict(_Namespace)

    def subscribe(self, namespace: str, selector: Selector, subscriber: Subscriber) -> Subscription:
        """From now on; what is there already, `Subscription.pods` tells."""
        return Subscription(self._namespaces[namespace], selector, subscriber)

    def marked(self) -> Iterator[Pod]:
        """Those that bear a mark and are not at their end."""
        for namespace in self._namespaces.values():
            yield from (pod for pod in namespace.pods() if pod.mark is not None and pod.state.counts)

    def replace(self, namespace: str | None, objects: Sequence[PodObject]) -> None:
        """What is new is told before what went: nobody is left with less than there is."""
        listed: defaultdict[str, set[str]] = defaultdict(set)
        for seen in objects:
            listed[seen.metadata.namespace].add(seen.metadata.name)
            self.put(seen)
        for each in list(self._namespaces) if namespace is None else [namespace]:
            self._namespaces[each].keep(listed[each])

    def put(self, object: PodObject) -> None:
        self._namespaces[object.metadata.namespace].put(Pod.of(object))

    def remove(self, object: PodObject) -> None:
        self._namespaces[object.metadata.namespace].remove(object.metadata.name, object.metadata.uid)

    def __repr__(self) -> str:
        return f"<PodBoard {dict(self._namespaces)}>"


class _Namespace:
    """The pods and subscriptions of one namespace, both filed by labels."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._by_label: dict[Label, dict[str, None]] = {}  # names of pods, under each of their labels
        self._wanted: dict[Label, dict[Subscription, None]] = {}  # under one label each
        self._others: dict[Subscription, None] = {}  # whose selectors demand none

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def file(self, subscription: Subscription) -> Label | None:
        """Returns where, for `unfile`."""
        label = _rarest(subscription.selector, self._wanted)
        if label is None:
            self._others[subscription] = None
        else:
            self._wanted.setdefault(label, {})[subscription] = None
        return label

    def unfile(self, subscription: Subscription, label: Label | None) -> None:
        if label is None:
            self._others.pop(subscription, None)
        else:
            _take_out(self._wanted, label, subscription)

    def matching(self, selector: Selector) -> Iterator[Pod]:
        label = _rarest(selector, self._by_label)
        names = list(self._pods if label is None else self._by_label.get(label, ()))
        for pod in map(self._pods.__getitem__, names):
            if selector.matches(pod.labels):
                yield pod

    def _wanting(self, labels: Mapping[str, str]) -> list[Subscription]:
        found = [each for each in self._others if each.selector.matches(labels)]
        for label in labels.items():
            if label in self._wanted:
                found += [each for each in self._wanted[label] if each.selector.matches(labels)]
        return found

    def pods(self) -> Iterable[Pod]:
        return self._pods.values()

    # -- pods -------------------------------------------------------------------------------------------------------

    def put(self, pod: Pod) -> None:
        before = self._pods.get(pod.name)
        if before == pod:
            return
        if before is not None and before.uid != pod.uid:
            self.remove(before.name, before.uid)
            before = None
        self._pods[pod.name] = pod
        if before is None or before.labels != pod.labels:
            self._relabel(before, pod)
        for subscription in self._wanting(pod.labels):
            subscription.subscriber.put(pod)

    def remove(self, name: str, uid: str) -> None:
        """The one with that uid; its name may be another's by now."""
        pod = self._pods.get(name)
        if pod is None or pod.uid != uid:
            return
        del self._pods[name]
        for label in pod.labels.items():
            _take_out(self._by_label, label, name)
        for subscription in self._wanting(pod.labels):
            subscription.subscriber.gone(pod)

    def keep(self, names: set[str]) -> None:
        """All others are gone."""
        for name in self._pods.keys() - names:
            self.remove(name, self._pods[name].uid)

    def _relabel(self, before: Pod | None, pod: Pod) -> None:
        """Files it anew, and tells those that it no longer matches."""
        if before is not None:
            for label in before.labels.items():
                _take_out(self._by_label, label, pod.name)
            for subscription in self._wanting(before.labels):
                if not subscription.selector.matches(pod.labels):
                    subscription.subscriber.gone(before)
        for label in pod.labels.items():
            self._by_label.setdefault(label, {})[pod.name] = None

    def __repr__(self) -> str:
        subscriptions = len(self._others) + sum(map(len, self._wanted.values()))
        return f"<pods={len(self._pods)} subscriptions={subscriptions}>"


def _rarest(selector: Selector, filed: Mapping[Label, Mapping[K, None]]) -> Label | None:
    """Of the labels that the selector demands, the one under which the fewest are filed."""
    return min(selector.equalities(), key=lambda label: len(filed.get(label, ())), default=None)


def _take_out(filed: dict[Label, dict[K, None]], label: Label, what: K) -> None:
    under = filed.get(label)
    if under is not None:
        under.pop(what, None)
        if not under:
            del filed[label]
