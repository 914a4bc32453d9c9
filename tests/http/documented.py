"""What docs/behaviour.md says happens to a message on its way, written a second time, over what h11 has read."""

from __future__ import annotations

import re

from tests.http.in_memory import CLAIMED_HOST, PEER, SCORING_PATH
from tests.http.reading import Fields, Message

PREFIX = b"/api/v1/service/digits/"
LIMIT = 100 * 1024 * 1024

_SETTLED = re.compile(
    rb"host|content-length|transfer-encoding|connection|keep-alive|proxy-.+|te|upgrade|authorization"
    rb"|azureml-model-deployment|x-request-id|x-ms-.*|x-forwarded-(for|proto|host)|forwarded|traceparent|tracestate"
)
_NOT_REMOVED_BY_NAME = {
    b"close", b"keep-alive", b"upgrade", b"te", b"host", b"content-length", b"transfer-encoding", b"authorization",
    b"azureml-model-deployment",
}  # fmt: skip
_TRACE = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[\x21-\x7e]*)?")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]+)(.*)", re.DOTALL)
_OWN = [b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id", b"x-ms-request-id"]


def host_and_target(request: Message) -> tuple[bytes, bytes]:
    """RFC 9112 section 3.2.2: what an absolute target says counts instead of Host."""
    target = request.start[1]
    absolute = _ABSOLUTE.fullmatch(target) if target[:1] != b"/" else None
    if absolute is None:
        hosts = request.all(b"host")
        return (hosts[0] if hosts else b""), target
    return absolute[1], absolute[2] if absolute[2][:1] == b"/" else b"/" + absolute[2]


def path_on_the_model(request: Message) -> bytes | None:
    """None where no endpoint or no version answers."""
    if any(version != b"blue" for version in request.all(b"azureml-model-deployment")):
        return None
    host, target = host_and_target(request)
    claimed = re.fullmatch(re.escape(CLAIMED_HOST.encode()) + rb"\.*(:[0-9]*)?", host.lower()) is not None
    rest = target if claimed else b"/" + target[len(PREFIX) :] if target.startswith(PREFIX) else None
    if rest is not None and re.match(rb"/score(\?|\Z)", rest):
        return SCORING_PATH.encode() + rest[6:]
    return rest


def fields_to_the_model(request: Message) -> Fields:
    """In their order, but for the values of the router's own ids, which are left empty."""
    named = request.connection - _NOT_REMOVED_BY_NAME
    host, _ = host_and_target(request)
    kept = [
        (name, value)
        for name, value in request.fields
        if name not in named and not _SETTLED.fullmatch(name.replace(b"_", b"-"))
    ]
    traceparent = b"" if b"traceparent" in named else b", ".join(request.all(b"traceparent"))
    traced = _valid(traceparent)
    own = dict.fromkeys(_OWN, b"") | dict(zip(_OWN, (PEER, b"http", host), strict=False))
    client_id = b"" if b"x-ms-client-request-id" in named else b"".join(request.all(b"x-ms-client-request-id"))
    if client_id := re.sub(rb"[^A-Za-z0-9_-]", b"", client_id)[:40]:
        own[b"x-ms-client-request-id"] = client_id
    states = request.all(b"tracestate") if traced and b"tracestate" not in named else []
    return [
        (b"host", host),
        *kept,
        *([(b"tracestate", _one_list(*states))] if states else []),
        *_framing(request),
        *_upgrade(request),
        *own.items(),
        (b"traceparent", traceparent if traced else b""),
    ]


def without_own_ids(fields: Fields, traced: bytes) -> Fields:
    """Of what the model got: with the ids emptied, and the trace context where it is not `traced`."""
    ids = {b"x-request-id", b"x-ms-request-id"}
    emptied = [
        (name, b"" if name in ids or (name == b"traceparent" and value != traced) else value) for name, value in fields
    ]
    return [(name, _one_list(value) if name == b"tracestate" else value) for name, value in emptied]


def _one_list(*values: bytes) -> bytes:
    """RFC 9110 section 5.3: several lines are one list, whose white space says nothing."""
    return b",".join(each.strip(b" \t") for each in b",".join(values).split(b","))


def _framing(request: Message) -> Fields:
    if request.all(b"transfer-encoding"):
        return [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", b"%d" % int(length)) for length in request.all(b"content-length")]


def _upgrade(request: Message) -> Fields:
    has_body = request.all(b"transfer-encoding") or any(int(length) for length in request.all(b"content-length"))
    if not request.http11 or has_body or b"upgrade" not in request.connection:
        return []
    protocols = [each.strip(b" \t") for each in b",".join(request.all(b"upgrade")).split(b",")]
    listed = b", ".join(each for each in protocols if each and each.lower() != b"h2c")
    return [(b"connection", b"upgrade"), (b"upgrade", listed)] if listed else []


def _valid(traceparent: bytes) -> bool:
    match = _TRACE.fullmatch(traceparent)
    return (
        match is not None
        and int(match[1], 16) != 0
        and int(match[2], 16) != 0
        and not (traceparent.startswith(b"00") and match[3] is not None)
    )


# -- answers -----------------------------------------------------------------------------------------------------------

_SETTLED_IN_ANSWERS = re.compile(
    rb"content-length|transfer-encoding|connection|keep-alive|proxy-connection|upgrade|x-request-id|x-ms-request-id"
    rb"|x-ms-client-request-id|azureml-model-deployment"
)


def start_to_the_client(answer: Message) -> tuple[bytes, bytes]:
    return (b"502", b"Bad Gateway") if answer.start[0] == b"500" else answer.start


def fields_to_the_client(answer: Message) -> Fields:
    """Without framing and what the router adds, which `without_own_fields` takes away from the other side."""
    named = answer.connection - {b"close", b"keep-alive", b"upgrade", b"te"}
    return [
        (name, value) for name, value in answer.fields if name not in named and not _SETTLED_IN_ANSWERS.fullmatch(name)
    ]


def without_own_fields(fields: Fields) -> Fields:
    return [(name, value) for name, value in fields if not _SETTLED_IN_ANSWERS.fullmatch(name)]
