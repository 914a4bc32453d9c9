"""One case, judged: did the router understand these bytes as h11 does, or refuse them?

`of_requests` sends bytes of a client through the data plane in memory, in one piece and then as they may arrive in
many. Whatever reaches the model must be what h11 reads in those bytes, in order, rewritten as documented; what h11
refuses must not be answered by the model; and nobody is left waiting for what is there. `of_answer` does so for bytes
of a model. Both raise `Disagreement`. `Verdict` is what became of a case, for the figures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import h11

from tests.http import documented
from tests.http.in_memory import Conversation, Line, MemoryHouse
from tests.http.reading import LARGEST, Message, Reader, read_answer, read_requests

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n%04d"
_ANSWER_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"(?:\A|\n)content-length: ([0-9]+)")
_REASON = re.compile(rb'"code":"([a-z_]+)","message":"([^"]*)')


LAXER = re.compile(rb"[0-9A-Fa-f][ \t]+;")
"""Where the router accepts what h11 refuses: white space before the semicolon of a chunk extension, which RFC 9112
section 7.1.1 has recipients accept, and which goes no further. A disagreement about bytes with this in them is none."""


class Disagreement(AssertionError):
    """The router and h11 differ, or the router contradicts itself."""


@dataclass(slots=True)
class Verdict:
    """What became of one case."""

    forwarded: int = 0
    refused: str = ""
    """The reason that the client, or the log, was given."""


# -- requests ----------------------------------------------------------------------------------------------------------


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
        reason = _REASON.search(body)
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


# -- answers -----------------------------------------------------------------------------------------------------------

ASKED = {
    "GET": b"GET /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST": b"POST /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "HEAD": b"HEAD /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET of HTTP/1.0": b"GET /api/v1/service/digits/score HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
}
NEXT = b"GET /api/v1/service/digits/next HTTP/1.1\r\nHost: a\r\n\r\n"


class SayingModel:
    """Says the case's bytes to the first request, piece by piece, and what is right to those after it."""

    def __init__(self, pieces: list[bytes], hangs_up: bool) -> None:
        self.left = list(pieces)
        self.hangs_up = hangs_up
        self.line: Line | None = None
        self.said = 0

    def look(self, line: Line) -> bool:
        if len(line.wire.written) > line.seen and line.wire.written.endswith((b"\r\n\r\n", b"\r\n\r\nabc")):
            line.seen = len(line.wire.written)
            if self.line is not None:
                line.says(ANSWER % 0)
                return True
            self.line = line
        return line is self.line and self._say(line)

    def _say(self, line: Line) -> bool:
        if self.left:
            line.says(self.left.pop(0))
        elif self.hangs_up:
            line.hangs_up()
        else:
            return False
        return True


def of_answer(house: MemoryHouse, asked: str, data: bytes, pieces: list[bytes], hangs_up: bool) -> Verdict:
    said = read_answer(asked[:4].strip().encode(), data, hangs_up)
    verdict = Verdict()
    for way in ([data], pieces):
        verdict = _compare_answer(house, asked, said, SayingModel(way, hangs_up), data.count(b"\r\n\r\n"))
    return verdict


def _compare_answer(house: MemoryHouse, asked: str, said: Reader, model: SayingModel, heads: int) -> Verdict:
    conversation = house.conversation(model)
    conversation.deliver(ASKED[asked])
    conversation.settle()
    written, wire = bytes(conversation.wire.written), conversation.wire
    got = read_answer(asked[:4].strip().encode(), written, wire.ended and not wire.aborted)
    if got.refused and not wire.ended:
        raise Disagreement(f"h11 as the client refuses {written!r}")
    verdict = _judge_answer(asked, said, got, wire.ended, heads)
    if got.whole and not wire.ended:
        _ask_next(conversation, len(written))
    conversation.leave()
    return verdict


def _judge_answer(asked: str, said: Reader, got: Reader, ended: bool, heads: int) -> Verdict:
    """`heads`: how many there may be in what the model said. Of one that is not complete h11 may know that it is none;
    the router may wait for its end."""
    answer = got.message
    if answer is None:
        if not ended and (said.whole or said.refused) and heads > len(said.interim):
            raise Disagreement(f"the client waits for more than {said.message}")
        return Verdict()
    if not answer.all(b"azureml-model-deployment"):
        raise Disagreement(f"the client gets {answer}")
    if answer.start[0] == b"502" and answer.all(b"content-type") == [b"application/json"]:
        if not got.whole:
            raise Disagreement("an error that is not whole")
        reason = _REASON.search(answer.body)
        return Verdict(0, reason[2].decode() if reason is not None else "to HEAD")
    _compare_with_said(asked, said, got, ended)
    return Verdict(1) if got.whole else Verdict(0, "cut" if ended else "")


def _compare_with_said(asked: str, said: Reader, got: Reader, ended: bool) -> None:
    model, client = said.message, got.message
    if model is None:
        raise Disagreement(f"h11 refuses the model's head, and the client gets {client}")
    start, fields = documented.start_to_the_client(model), documented.fields_to_the_client(model)
    if client.start != start or documented.without_own_fields(client.fields) != fields:
        raise Disagreement(f"the client gets\n{client}, instead of\n{start} {fields}")
    interim = [] if asked == "GET of HTTP/1.0" else said.interim
    if [(each.start, each.fields) for each in got.interim] != [
        (each.start, documented.fields_to_the_client(each)) for each in interim
    ]:
        raise Disagreement(f"the client gets {got.interim} of {said.interim}")
    if got.whole:
        trailers = model.trailers if asked != "GET of HTTP/1.0" else []
        if not model.whole or client.body != model.body or client.trailers != trailers:
            raise Disagreement(f"the client gets the whole of\n{client}, instead of\n{model}")
    elif not model.body.startswith(client.body):
        raise Disagreement(f"the client gets {client.body!r} of {model.body!r}")
    elif not ended and (model.whole or said.refused):
        raise Disagreement(f"the client waits for more than {model}")


def _ask_next(conversation: Conversation, before: int) -> None:
    """Nothing of the answer may have stayed behind."""
    conversation.deliver(NEXT)
    conversation.settle()
    written = bytes(conversation.wire.written[before:])
    got = read_answer(b"GET", written, conversation.wire.ended)
    if not got.whole or got.message.body != b"0000" or got.connection.trailing_data[0]:
        raise Disagreement(f"the next client gets {written!r}")
