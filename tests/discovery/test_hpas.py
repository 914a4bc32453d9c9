"""Which HorizontalPodAutoscaler scales which workload, from what a watch tells."""

import pytest
from lightkube.models.autoscaling_v1 import CrossVersionObjectReference, HorizontalPodAutoscalerSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler

from router.discovery.hpas import Hpas
from router.model.spec import DeploymentTarget


class Told:
    """As much of a workload as is told of HPAs."""

    def __init__(self, namespace="web", name="blue", kind="Deployment", api_version="apps/v1"):
        self.namespace = namespace
        self.target = DeploymentTarget(name=name, port=1, kind=kind, api_version=api_version)
        self.told = []

    def scaled_by(self, hpa):
        self.told.append(hpa)

    def hpas_unknown(self, problem):
        self.told.append(problem)


def hpa(name, target="blue", kind="Deployment", api_version="apps/v1", namespace="web"):
    reference = CrossVersionObjectReference(kind=kind, name=target, apiVersion=api_version)
    spec = HorizontalPodAutoscalerSpec(maxReplicas=3, scaleTargetRef=reference)
    return HorizontalPodAutoscaler(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)


@pytest.fixture
def hpas():
    return Hpas(None, following=None)


@pytest.fixture
def blue(hpas):
    blue = Told()
    hpas.add(blue)
    return blue


def test_nothing_is_told_before_they_were_listed(hpas, blue):
    assert blue.told == []
    hpas.replace(None, [])
    assert blue.told == [None]


def test_who_comes_later_is_told_at_once(hpas):
    hpas.replace(None, [hpa("one")])
    later = Told()
    hpas.add(later)
    assert later.told == ["one"]


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ({"api_version": "apps/v1beta1"}, "one"),
        ({"api_version": "extensions/v1beta1"}, None),
        ({"api_version": ""}, None),
        ({"kind": "StatefulSet"}, None),
        ({"target": "green"}, None),
        ({"namespace": "shop"}, None),
    ],
)
def test_kind_name_group_and_namespace_must_be_the_workloads(hpas, blue, other, names):
    hpas.replace(None, [hpa("one", **other)])
    assert blue.told == [names]


def test_it_comes_changes_its_target_and_goes(hpas, blue):
    green = Told(name="green")
    hpas.add(green)
    hpas.replace(None, [])
    hpas.put(hpa("one"))
    hpas.put(hpa("one", target="green"))
    hpas.remove(hpa("one", target="green"))
    assert (blue.told, green.told) == ([None, "one", None], [None, "one", None])


def test_of_several_one_is_named_until_the_last_is_gone(hpas, blue):
    hpas.replace(None, [hpa("b"), hpa("a")])
    hpas.remove(hpa("a"))
    hpas.remove(hpa("b"))
    assert blue.told == ["a", "b", None]


def test_a_list_anew_tells_of_those_that_went_meanwhile(hpas, blue):
    hpas.replace(None, [hpa("one")])
    hpas.replace(None, [])
    assert blue.told == ["one", None]


def test_being_cut_off_matters_until_they_were_listed_once(hpas, blue):
    hpas.cut_off("Forbidden: no")
    assert blue.told == ["not scaled while nobody knows what else scales it: HorizontalPodAutoscalers: Forbidden: no"]
    hpas.replace(None, [])
    hpas.cut_off("Forbidden: no")
    assert blue.told[1:] == [None]


def test_it_is_needed_while_there_are_workloads(hpas, blue):
    assert hpas
    hpas.discard(blue)
    assert not hpas
    assert repr(hpas) == "<Hpas in all namespaces: unknown>"
