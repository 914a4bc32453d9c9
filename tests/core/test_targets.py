"""Targets and hosts: what could be read as another path, or as no path, is refused; the rest goes on as it came."""

import pytest

from router.core.heads import parse_request
from router.errors import MalformedMessage, Outcome


def request(target, method=b"GET", host=b"a"):
    raw = b"%b %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (method, target, host)
    return parse_request(raw, len(raw), 100)


def refusal(target, method=b"GET", host=b"a"):
    with pytest.raises(MalformedMessage) as refused:
        request(target, method, host)
    assert refused.value.outcome is Outcome.BAD_REQUEST
    return str(refused.value)


DOT_SEGMENTS = [
    b"/.",
    b"/..",
    b"/a/./b",
    b"/a/../b",
    b"/a/..",
    b"/../..",
    b"/a/..?b",
    b"/a/.?",
    b"//../b",
    b"/.well-known/../b",
    # dots that are encoded
    b"/%2e",
    b"/%2E%2e/b",
    b"/.%2e/b",
    b"/%2e./b",
    # separators that are encoded, or those of another system
    b"/..%2fb",
    b"/..%2Fb",
    b"/a%2f..",
    b"/a%2F../b",
    b"/a%2f%2e%2e%2fb",
    b"/..\\b",
    b"/a\\..\\b",
    b"/a\\..",
    b"/..%5cb",
    b"/%2e%2e%5Cb",
    b"/a%5c.%5cb",
    # what servlet containers cut off before they compare
    b"/..;/b",
    b"/..;a=b/c",
    b"/.;/b",
    b"/..;",
    b"/%2e%2e;/b",
    b"/..%3b/c",
    b"/..%3B",
    # in absolute-form
    b"http://a/../b",
    b"http://a/b/%2e%2e",
]
OTHER_DOTS = [
    b"/",
    b"/a.b/c..d/e.",
    b"/.well-known/x",
    b"/..a",
    b"/...",
    b"/.../b",
    b"/a../b",
    b"/a..;/b",
    b"/%2ea",
    b"/%2f",
    b"/models/org%2Fname",
    b"/a\\b",
    b"/a;b=c/d",
    b"/;",
    b"/%252e%252e/",  # decoded once, as RFC 3986 section 2.4 has it
    b"/%20/.b",
    b"/%c3%a4",
]
QUERIES = [b"/a?/../b", b"/a?b=/./", b"/a?%", b"/a?%zz&%00", b"/?..%2f", b"/?a=\\..\\", b"/a??/..;/"]


@pytest.mark.parametrize("target", DOT_SEGMENTS)
def test_dot_segments_are_refused(target):
    assert "dot segments" in refusal(target)


@pytest.mark.parametrize("target", OTHER_DOTS)
def test_other_dots_go_on(target):
    assert request(target).target == target


@pytest.mark.parametrize("target", QUERIES)
def test_queries_are_not_looked_at(target):
    assert request(target).target == target
    assert request(b"http://b" + target).target == target


@pytest.mark.parametrize(
    "target", [b"/%", b"/%4", b"/%zz", b"/a%4/b", b"/%?x", b"/%%41", b"/%u0041", b"/%00", b"/a%00b"]
)
def test_escapes_that_are_none_and_nul_are_refused(target):
    assert "escape" in refusal(target)


@pytest.mark.parametrize("target", [b"/#", b"/a#b", b"/a?b#c", b"#", b"http://a#b", b"http://a/#b"])
def test_fragments_are_refused(target):
    assert "RFC 9112" in refusal(target)


@pytest.mark.parametrize("target", [b"a:80", b"a", b"/score", b"http://a/score", b"*"])
def test_no_tunnel_is_opened(target):
    assert "CONNECT" in refusal(target, b"CONNECT")


@pytest.mark.parametrize(("method", "target"), [(b"OPTIONS", b"*"), (b"GET", b"*"), (b"OPTIONS", b"http://a")])
def test_nobody_asks_about_the_server_as_a_whole(method, target):
    assert "as a whole" in refusal(target, method)


def test_options_of_a_path_goes_on():
    assert request(b"http://a/", b"OPTIONS").target == b"/"
    assert request(b"/score", b"OPTIONS").target == b"/score"


HOSTS = [
    b"", b"a", b"A.b-c_d.", b"127.0.0.1", b"a:80", b"a:", b":80", b"[::1]", b"[::ffff:1.2.3.4]:80", b"xn--bcher-kva",
    b"a%2Fb", b"a~!$&'()*+,;=b:1",
]  # fmt: skip
NO_HOSTS = [
    b"a b", b"a, b", b"a/b", b"u@a", b"a?b", b"a#b", b"a:b", b"a:80:80", b"a:http", b"a:-1", b"a:8 0", b"::1", b"[::1",
    b"::1]", b"[]", b"[a.b]x", b"[g::1]", b"[::1]x", b"[::1%25eth0]", b"a%", b"a%2", b"a%zz", b'a"', b"<a>",
    b"a\\b", b"\xe4",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("white", [b"", b" \t "])
def test_a_host_goes_on(host, white):
    assert request(b"/", host=host + white).host == host
    if host:
        assert request(b"http://%b/" % host).host == host


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_refused(host):
    assert "not a host name" in refusal(b"/", host=host)
