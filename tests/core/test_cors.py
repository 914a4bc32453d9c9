"""What browsers are told about origins: permissions for those that are configured, and nothing for others."""

import pytest

from router.core.cors import CorsPolicy, without_cors
from router.core.heads import parse_request

APP = b"https://app.example.com"
LISTED = CorsPolicy(["https://app.example.com", "http://localhost:3000"])
ANY = CorsPolicy(["*"])


def head(*lines, method=b"POST"):
    raw = b"\r\n".join([method + b" / HTTP/1.1", b"host: a", *lines, b"", b""])
    return parse_request(raw, len(raw), 100)


def preflight(origin, *lines):
    return head(b"Origin: " + origin, b"Access-Control-Request-Method: POST", *lines, method=b"OPTIONS")


def fields(lines):
    assert lines is not None
    assert lines.endswith(b"\r\n")
    return dict(line.split(b": ", 1) for line in lines.split(b"\r\n")[:-1])


def test_a_listed_origin_is_allowed_what_it_asks_for():
    asked = preflight(APP, b"Access-Control-Request-Headers: authorization,content-type")
    assert fields(LISTED.preflight(asked)) == {
        b"access-control-allow-origin": APP,
        b"vary": b"origin",
        b"access-control-allow-methods": b"POST",
        b"access-control-allow-headers": b"authorization,content-type",
        b"access-control-max-age": b"7200",
    }


def test_every_origin():
    answer = fields(ANY.preflight(preflight(b"https://anywhere.example")))
    assert answer[b"access-control-allow-origin"] == b"*"
    assert b"vary" not in answer
    assert fields(ANY.lines(head(b"Origin: null")))[b"access-control-allow-origin"] == b"*"


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"https://app.example.com.evil", b"null", b"http://app.example.com", b""]
)
def test_others_get_no_permission(origin):
    assert LISTED.preflight(preflight(origin)) == b"vary: origin\r\n"
    assert LISTED.lines(head(b"Origin: " + origin)) == b"vary: origin\r\n"


def test_an_answer_says_who_may_read_it_and_what():
    answer = fields(LISTED.lines(head(b"origin: http://LOCALHOST:3000")))
    assert answer[b"access-control-allow-origin"] == b"http://LOCALHOST:3000"
    assert b"azureml-model-deployment" in answer[b"access-control-expose-headers"]


def test_without_an_origin_only_caches_are_told():
    assert LISTED.lines(head()) == b"vary: origin\r\n"
    assert ANY.lines(head()) == b""


@pytest.mark.parametrize(
    "request_head",
    [
        head(b"Origin: " + APP, b"Access-Control-Request-Method: POST"),
        head(b"Origin: " + APP, method=b"OPTIONS"),
        head(b"Access-Control-Request-Method: POST", method=b"OPTIONS"),
    ],
    ids=["no OPTIONS", "no method", "no origin"],
)
def test_what_is_no_preflight(request_head):
    assert LISTED.preflight(request_head) is None


def test_what_the_model_says_about_origins_is_dropped():
    passed_on = (
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\na: b\r\naccess-control-max-age: 5\r\nvary: accept"
    )
    assert without_cors(passed_on) == b"HTTP/1.1 200 OK\r\na: b\r\nvary: accept"
