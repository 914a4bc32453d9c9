"""What subscribers of the board are told. That it is all of it, and no more, is walked with random changes."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from router.discovery.pod import Pod, State
from router.discovery.pods import PodBoard, Subscription
from router.discovery.selectors import Selector
from tests.fakes.pods import manifest, seen


class Hearer:
    """Knows what it was told; refuses what makes no sense."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.told: list[str] = []

    def put(self, pod: Pod) -> None:
        assert self.pods.get(pod.uid) != pod, "nothing changed"
        self.pods[pod.uid] = pod
        self.told.append(f"+{pod.uid}")

    def gone(self, pod: Pod) -> None:
        assert self.pods.pop(pod.uid) == pod
        self.told.append(f"-{pod.uid}")


@pytest.fixture
def board() -> PodBoard:
    return PodBoard()


def hearer(board: PodBoard, selector: str, namespace: str = "default") -> Hearer:
    hearer = Hearer()
    board.subscribe(namespace, Selector.parse(selector), hearer)
    return hearer


def blue(name: str = "a", state: State = State.READY, **more: Any):
    return seen(manifest(name, state, {"app": "blue"}, uid=more.pop("uid", name), **more))


def test_it_tells_of_what_matches(board):
    blues, all_of_web, nobody = hearer(board, "app=blue"), hearer(board, "", "web"), hearer(board, "app=green")
    board.put(blue())
    board.put(blue("b", namespace="web"))
    board.remove(blue())
    assert (blues.told, all_of_web.told, nobody.told) == (["+a", "-a"], ["+b"], [])


def test_what_does_not_matter_is_not_told(board):
    blues = hearer(board, "app=blue")
    pod = manifest("a", labels={"app": "blue"}, uid="a")
    board.put(seen(pod))
    pod["metadata"] |= {"resourceVersion": "8", "annotations": {"other": "y"}}
    pod["status"] |= {"hostIP": "10.0.0.9"}
    board.put(seen(pod))
    assert blues.told == ["+a"]


def test_a_pod_that_gets_other_labels_leaves_and_comes(board):
    blues, greens, both = hearer(board, "app=blue"), hearer(board, "app=green"), hearer(board, "app")
    board.put(blue())
    board.put(seen(manifest("a", labels={"app": "green"}, uid="a")))
    assert (blues.told, greens.told, both.told) == (["+a", "-a"], ["+a"], ["+a", "+a"])


def test_another_pod_of_the_same_name_is_another(board):
    """As those of a StatefulSet are: the old one is gone, even if nobody saw it go."""
    blues = hearer(board, "app=blue")
    board.put(blue(uid="first"))
    board.put(blue(uid="second"))
    board.remove(blue(uid="first"))
    assert blues.told == ["+first", "-first", "+second"]


def test_a_new_list_tells_what_went_after_what_came(board):
    blues, others = hearer(board, "app=blue"), hearer(board, "app=blue", "web")
    board.replace(None, [blue("a"), blue("b"), blue("w", namespace="web")])
    board.replace("default", [blue("b"), blue("c")])
    assert blues.told == ["+a", "+b", "+c", "-a"]
    assert others.told == ["+w"], "nothing was said of its namespace"
    board.replace(None, [])
    assert (blues.pods, others.pods) == ({}, {})
    assert "subscriptions=1" in repr(board)


def test_who_closes_is_told_no_more(board):
    hearer = Hearer()
    subscription = board.subscribe("default", Selector.parse("app=blue"), hearer)
    board.put(blue("a"))
    subscription.close()
    subscription.close()
    board.put(blue("b"))
    assert hearer.told == ["+a"]


class Counted:
    """A selector that counts how often it is tried."""

    tried = 0

    def __init__(self, text: str) -> None:
        self._selector = Selector.parse(text)
        self.equalities = self._selector.equalities

    def matches(self, labels: dict[str, str]) -> bool:
        Counted.tried += 1
        return self._selector.matches(labels)


def test_a_change_is_held_against_few_selectors_and_a_selector_against_few_pods(board, monkeypatch):
    """Though all demand a label that all pods have, first in the text or last."""
    monkeypatch.setattr(Counted, "tried", 0)
    pods = [seen(manifest(f"p{n}", labels={"team": "ml", "app": f"a{n}"}, uid=f"p{n}")) for n in range(1000)]
    board.replace(None, pods[:500])
    hearers = [Hearer() for _ in pods]
    for number, each in enumerate(hearers):
        text = f"team=ml,app=a{number}" if number % 2 else f"app=a{number},team=ml"
        for pod in board.subscribe("default", Counted(text), each).pods():
            each.put(pod)
    assert Counted.tried == 500, "as many as there are pods that match"
    board.replace(None, pods)
    assert Counted.tried < 1500 + 1000
    assert [each.told for each in hearers] == [[f"+p{number}"] for number in range(1000)]


NAMESPACES = st.sampled_from(["default", "web"])
NAMES = st.sampled_from("abcd")
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["blue", "green"]))
SELECTORS = ["", "app=blue", "app=blue,tier=green", "app!=blue", "tier in (blue)", "app in (blue,green),!tier", "tier"]


class Board(RuleBasedStateMachine):
    """Whatever happens to the pods, each subscriber knows exactly those that match its selector, as they are now."""

    subscriptions: Bundle[tuple[Subscription, Hearer]] = Bundle("subscriptions")

    def __init__(self) -> None:
        super().__init__()
        self.board = PodBoard()
        self.pods: dict[tuple[str, str], dict[str, Any]] = {}
        self.hearers: list[tuple[str, Selector, Hearer]] = []
        self.numbers = iter(range(10**6))

    @rule(target=subscriptions, namespace=NAMESPACES, selector=st.sampled_from(SELECTORS))
    def subscribe(self, namespace, selector):
        hearer, parsed = Hearer(), Selector.parse(selector)
        subscription = self.board.subscribe(namespace, parsed, hearer)
        for pod in subscription.pods():
            hearer.put(pod)
        self.hearers.append((namespace, parsed, hearer))
        return subscription, hearer

    @rule(subscription=consumes(subscriptions))
    def close(self, subscription):
        closed, hearer = subscription
        closed.close()
        self.hearers = [each for each in self.hearers if each[2] is not hearer]

    @rule(namespace=NAMESPACES, name=NAMES, labels=LABELS, state=st.sampled_from(State), look=st.booleans())
    def put(self, namespace, name, labels, state, look):
        """`look` is False while the router does not: then it learns by the next list."""
        uid = self.pods.get((namespace, name), {}).get("metadata", {}).get("uid") or f"{name}{next(self.numbers)}"
        pod = manifest(name, state, labels, namespace=namespace, uid=uid)
        self.pods[namespace, name] = pod
        if look:
            self.board.put(seen(pod))
        else:
            self.relist(namespace)

    @rule(namespace=NAMESPACES, name=NAMES, look=st.booleans())
    def remove(self, namespace, name, look):
        pod = self.pods.pop((namespace, name), None)
        if pod is not None:
            if look:
                self.board.remove(seen(pod))
            else:
                self.relist(namespace)

    @rule(namespace=NAMESPACES, name=NAMES, labels=LABELS)
    def replace_unseen(self, namespace, name, labels):
        self.pods.pop((namespace, name), None)
        self.put(namespace, name, labels, State.READY, look=False)

    @rule(namespace=st.none() | NAMESPACES)
    def relist(self, namespace):
        listed = [seen(pod) for (each, _), pod in self.pods.items() if namespace in (None, each)]
        self.board.replace(namespace, listed)

    @invariant()
    def all_know_what_matches(self):
        now = [Pod.of(seen(pod)) for pod in self.pods.values()]
        for namespace, selector, hearer in self.hearers:
            wanted = {p.uid: p for p in now if p.namespace == namespace and selector.matches(p.labels)}
            assert hearer.pods == wanted

    def teardown(self):
        for namespace, pod in self.pods:
            self.board.remove(seen(self.pods[namespace, pod]))
        assert all(not hearer.pods for _, _, hearer in self.hearers)
        for place in self.board._namespaces.values():
            assert not place._by_label, "nothing is filed of pods that are gone"


TestBoard = Board.TestCase
TestBoard.settings = settings(deadline=None, stateful_step_count=30, max_examples=60)
