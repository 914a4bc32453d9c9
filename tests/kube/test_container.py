"""What a pod's spec makes of command and environment. The examples are those of the Kubernetes reference."""

import pytest
from lightkube.models.core_v1 import Container
from lightkube.resources.core_v1 import Pod

from tests.kube.container import command, environment, expanded, port_number


def pod(**container: object) -> Pod:
    spec = {"containers": [{"name": "model", "image": "model", **container}]}
    return Pod.from_dict({"metadata": {"name": "blue-1", "namespace": "ns", "uid": "u"}, "spec": spec})


def only(pod: Pod) -> Container:
    return pod.spec.containers[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [("$(A)", "1"), ("x$(A)y$(B)", "x1y2"), ("$(UNKNOWN)", "$(UNKNOWN)"), ("$$(A)", "$(A)"), ("$A", "$A"), ("", "")],
)
def test_references_are_expanded_where_they_are_known(text, value):
    assert expanded(text, {"A": "1", "B": "2"}) == value


def test_an_entry_may_refer_to_those_before_it_and_to_fields():
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "URL", "value": "http://$(IP)/$(NAME)/$(LATER)"},
        {"name": "LATER", "value": "late"},
    ]
    found = environment(pod(env=env), only(pod(env=env)), "127.0.0.9")
    assert found["URL"] == "http://127.0.0.9/blue-1/$(LATER)"
    assert found["POD_IP"] == "127.0.0.9"


def test_command_and_arguments_or_what_stands_for_the_image():
    container = only(pod(command=["serve", "$(POD_IP)"], args=["--fast"]))
    assert command(container, {"POD_IP": "127.0.0.9"}, {}) == ["serve", "127.0.0.9", "--fast"]
    assert command(container, {"POD_IP": "127.0.0.9"}, {"model": ["other", "$(POD_IP)"]}) == ["other", "127.0.0.9"]


def test_a_probe_names_its_port_by_number_or_by_name():
    container = only(pod(ports=[{"name": "http", "containerPort": 5001}]))
    assert (port_number(container, "http"), port_number(container, 80)) == (5001, 80)


def test_what_cannot_be_played_is_refused():
    source = {"secretKeyRef": {"name": "keys", "key": "primary"}}
    unplayable = pod(env=[{"name": "KEY", "valueFrom": source}])
    with pytest.raises(NotImplementedError, match="env KEY of blue-1"):
        environment(unplayable, only(unplayable), "127.0.0.9")
    optional = pod(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {**source["secretKeyRef"], "optional": True}}}])
    assert "KEY" not in environment(optional, only(optional), "127.0.0.9")
