"""Bytes of a model, judged: does the client get what h11 reads in them, or an error, or what is seen to be cut?

They answer one request, in one piece and then as they may arrive in many; another request follows, which must get its
own answer. Else `of_answer` raises `Disagreement`.
"""

from __future__ import annotations

from tests.http import documented
from tests.http.in_memory import Conversation, Line, MemoryHouse
from tests.http.reading import Reader, read_answer
from tests.http.verdict import ANSWER, REASON, Disagreement, Verdict

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
        if ended:
            raise Disagreement("the client gets an end instead of an answer")
        if (said.whole or said.refused) and heads > len(said.interim):
            raise Disagreement(f"the client waits for more than {said.message}")
        return Verdict()
    if not answer.all(b"azureml-model-deployment"):
        raise Disagreement(f"the client gets {answer}")
    if answer.start[0] == b"502" and answer.all(b"content-type") == [b"application/json"]:
        if not got.whole:
            raise Disagreement("an error that is not whole")
        reason = REASON.search(answer.body)
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
