"""What a container runs: command, arguments and environment of its spec, resolved as Kubernetes does. Pure."""

import re
from collections.abc import Mapping, Sequence

from lightkube.models.core_v1 import Container
from lightkube.resources.core_v1 import Pod

REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z0-9]+)\)")


def environment(pod: Pod, container: Container, ip: str) -> dict[str, str]:
    """Of its `env`, in order; a value may refer to those before it. POD_IP and HOSTNAME are always there."""
    found = {"POD_IP": ip, "HOSTNAME": pod.metadata.name}
    for entry in container.env or []:
        if entry.valueFrom is None:
            found[entry.name] = expanded(entry.value or "", found)
        elif entry.valueFrom.fieldRef is not None:
            found[entry.name] = _field(pod, entry.valueFrom.fieldRef.fieldPath, ip)
        elif not _optional(entry.valueFrom):
            raise NotImplementedError(f"env {entry.name} of {pod.metadata.name}: only literals and fields are played")
    return found


def command(container: Container, variables: Mapping[str, str], images: Mapping[str, Sequence[str]]) -> list[str]:
    """What `images` says of the image, else command and args of the spec."""
    words = images.get(container.image) or [*(container.command or []), *(container.args or [])]
    if not words:
        raise NotImplementedError(
            f"what does the image {container.image!r} run? Its spec has no command; tell `images`"
        )
    return [expanded(word, variables) for word in words]


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` by its value, if it has one; `$$` is a dollar."""

    def value(reference: re.Match[str]) -> str:
        return "$" if reference[1] is None else variables.get(reference[1], reference[0])

    return REFERENCE.sub(value, text)


def port_number(container: Container, port: int | str) -> int:
    """Of a port that a probe names, by number or by name."""
    if isinstance(port, int):
        return port
    return next(each.containerPort for each in container.ports or [] if each.name == port)


def _field(pod: Pod, path: str, ip: str) -> str:
    values = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "status.podIP": ip,
        "status.hostIP": "127.0.0.1",
        "spec.nodeName": pod.spec.nodeName or "",
        "spec.serviceAccountName": pod.spec.serviceAccountName or "default",
    }
    return values[path]


def _optional(source: object) -> bool:
    references = (getattr(source, name, None) for name in ("secretKeyRef", "configMapKeyRef"))
    return any(reference is not None and reference.optional for reference in references)
