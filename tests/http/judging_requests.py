"""Bytes of a client, judged: did the router understand them as h11 does, or refuse them?

They go through the data plane in memory, in one piece and then as they may arrive in many. Whatever reaches the model
must be what h11 reads in them, in order, rewritten as documented; what h11 refuses must not be answered by the model;
and nobody is left waiting for what is there. Else `of_requests` raises `Disagreement`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import h11

from tests.http import documented
from tests.http.in_memory import Conversation, Line, MemoryHouse
from tests.http.reading import LARGEST, Message, Reader, read_requests
from tests.http.verdict import ANSWER, REASON, Disagreement, Verdict

_ANSWER_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"(?:\A|\n)content-length: ([0-9]+)")


class ReadingModel:
    """Reads with h11 and answers each whole request with its number."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.raw: list[bytes] = []

    def look(self, line: Line) -> bool:
        data = bytes(line.wire.written[line.seen :])
        if not data:
            return False
        if line.reading is None:
            line.reading = Reader(h11.Connection(h11.SERVER, LARGEST)), b""
        reader, before = line.reading
        line.seen += len(data)
        line.reading = reader, before + data
        reader.feed(data)
        if reader.refused:
            raise Disagreement(f"h11 as the model refuses what was forwarded: {before + data!r}")
        if reader.whole:
            if beyond := reader.connection.trailing_data[0]:
                raise Disagreement(f"behind a request the model gets {beyond!r}")
            self.got.append(reader.message)
            self.raw.append(before + data)
            line.reading = None
            line.says(numbered(len(self.got), self.raw[-1]))
        return True


class RememberingModel:
    """Knows what will come, and only sees whether it does: cheaper than to read it again."""

    def __init__(self, raw: list[bytes]) -> None:
        self.raw = raw
        self.seen = 0

    def look(self, line: Line) -> bool:
        expected = self.raw[self.seen] if self.seen < len(self.raw) else None
        if expected is None or len(line.wire.written) - line.seen < len(expected):
            return False
        if line.wire.written[line.seen :] != expected:
            raise Disagreement(f"in pieces, the model gets {bytes(line.wire.written[line.seen :])!r}, not {expected!r}")
        line.seen = len(line.wire.written)
        self.seen += 1
        line.says(numbered(self.seen, expected))
        return True


def numbered(number: int, request: bytes) -> bytes:
    answer = ANSWER % number
    return answer[:-4] if request.startswith(b"HEAD ") else answer


@dataclass(slots=True)
class Seen:
    """What the client saw: statuses, numbers of the model's answers (0: the router's own), reasons; and the end."""

    statuses: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    reason: str = ""
    ended: bool = False


def of_requests(house: MemoryHouse, data: bytes, pieces: list[bytes], patient: bool) -> Verdict:
    """`patient`: all pieces are there before the router has a connection to the model."""
    model = ReadingModel()
    seen = _sent(house.conversation(model), [data], patient)
    requests = read_requests(data)
    _compare_requests(requests, model, seen)
    again = _sent(house.conversation(RememberingModel(model.raw)), pieces, patient)
    _compare_arrivals(seen, again)
    return Verdict(len(model.got), seen.reason)


def _sent(conversation: Conversation, pieces: list[bytes], patient: bool) -> Seen:
    for piece in pieces:
        conversation.deliver(piece)
        if not patient:
            conversation.settle()
    conversation.settle()
    seen = _seen(bytes(conversation.wire.written))
    seen.ended = conversation.wire.ended
    conversation.leave()
    return seen


def _seen(written: bytes) -> Seen:
    seen = Seen()
    at = 0
    while at < len(written):
        head = _ANSWER_HEAD.match(written, at)
        if head is None:
            raise Disagreement(f"the client gets {written[at:]!r}")
        length = _LENGTH.search(head[2])
        at = head.end()
        to_head = length is None or written.startswith(b"HTTP/1.1 ", at)  # the next answer, where a body would be
        body = b"" if to_head else written[at : at + int(length[1])]
        at += len(body)
        seen.statuses.append(int(head[1]))
        own = head[1] != b"200" or b"azureml-model-deployment: blue" not in head[2]  # this model always says 200
        seen.numbers.append(0 if own else len(seen.numbers) - seen.numbers.count(0) + 1)
        if not own and body and int(body) != seen.numbers[-1]:
            raise Disagreement(f"answers out of order: {written!r}")
        reason = REASON.search(body)
        if reason is not None and reason[1] != b"not_found":
            seen.reason = reason[2].decode()
    return seen


def _compare_requests(requests: list[Message], model: ReadingModel, seen: Seen) -> None:
    answered = zip(seen.statuses, seen.numbers, strict=True)
    for at, (status, number) in enumerate(answered):
        if status in (400, 431):
            if at + 1 < len(seen.statuses) or not seen.ended:
                raise Disagreement("a refusal is not the end")
        elif at >= len(requests):
            raise Disagreement(f"h11 refuses request {at}, and the client gets {status}")
        elif number:
            _compare_request(requests[at], model.got[number - 1])
        else:
            _compare_own_answer(requests[at], status)
    if len(model.got) != max(seen.numbers, default=0):
        raise Disagreement(f"the model got {len(model.got)} requests, the client answers {seen.numbers}")
    if not seen.ended and len(requests) > len(seen.statuses) and requests[len(seen.statuses)].whole:
        raise Disagreement(f"waits for more, where h11 has the whole of {requests[len(seen.statuses)]}")


def _compare_request(sent: Message, got: Message) -> None:
    if not sent.whole:
        raise Disagreement(f"h11 refuses the body of {sent}, and the model gets {got}")
    start = sent.start[0], documented.path_on_the_model(sent)
    expected = documented.fields_to_the_model(sent)
    fields = documented.without_own_ids(got.fields, expected[-1][1])
    if got.start != start or fields != expected or got.body != sent.body or got.trailers != sent.trailers:
        raise Disagreement(
            f"the model gets\n{got.start} {fields} {got.body!r} {got.trailers}, instead of\n"
            f"{start} {expected} {sent.body!r} {sent.trailers}"
        )


def _compare_own_answer(sent: Message, status: int) -> None:
    reasons = {
        404: documented.path_on_the_model(sent) is None,
        413: any(int(length) > documented.LIMIT for length in sent.all(b"content-length")),
        200: documented.host_and_target(sent)[1].partition(b"?")[0] == b"/healthz",
    }
    if not reasons.get(status):
        raise Disagreement(f"the router answers {status} to {sent}")


def _compare_arrivals(whole: Seen, pieces: Seen) -> None:
    """The same, but that an answer may come before the rest of a body, which is then not read: the end."""
    early = len(pieces.statuses) < len(whole.statuses) and pieces.ended and pieces.statuses and not pieces.numbers[-1]
    end = len(pieces.statuses) if early else None
    statuses = [400 if status == 431 else status for status in whole.statuses[:end]]
    if (
        [400 if status == 431 else status for status in pieces.statuses] != statuses
        or pieces.numbers != whole.numbers[:end]
        or (pieces.ended != whole.ended and not pieces.ended)
    ):
        raise Disagreement(f"in one piece {whole}, in pieces {pieces}")
