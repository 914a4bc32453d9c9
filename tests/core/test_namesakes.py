"""Names with underscores: CGI and WSGI read `a_b` and `a-b` as one, so what the router settles has no namesakes.

Other such names are nobody's business and go on.
"""

import pytest

from router.core.heads import parse_request
from router.errors import MalformedMessage


def kept(*lines):
    raw = b"\r\n".join([b"GET / HTTP/1.1", b"host: a", *lines, b"", b""])
    return parse_request(raw, len(raw), 100).kept


@pytest.mark.parametrize(
    "name",
    [
        b"x_forwarded_for",
        b"X_Forwarded_For",
        b"x-forwarded_for",
        b"x_forwarded-for",
        b"x_forwarded_proto",
        b"x_forwarded_host",
        b"x_request_id",
        b"x-request_id",
        b"x_ms_request_id",
        b"x_ms-anything",
        b"x-ms_anything_else",
        b"keep_alive",
        b"proxy_authorization",
        b"Proxy_Connection",
        b"azureml_model_deployment",
        b"azureml-model_deployment",
    ],
)
def test_namesakes_of_what_the_router_settles_go_no_further(name):
    assert kept(b"a: 1", name + b": x_y", b"b_: 2") == b"\r\na: 1\r\nb_: 2"


@pytest.mark.parametrize(
    "line",
    [
        b"a_b: c",
        b"_: x",
        b"x_user_id: 7",
        b"x_forwarded_port: 1",
        b"xx_forwarded_for: 1",
        b"x_forwarded_for_: 1",
        b"xforwarded_for: 1",
        b"x__ms__a: 1",
        b"te_: x",
        b"host_: x",
        b"content_type: x",
        b"content_length_: 1",
        b"a: x_forwarded_for: 1",
        b"cookie: a_b=c_d",
    ],
)
def test_other_names_with_underscores_go_on(line):
    assert kept(line, b"b: 2") == b"\r\n" + line + b"\r\nb: 2"


@pytest.mark.parametrize("name", [b"content_length", b"Content_Length", b"transfer_encoding", b"TRANSFER_ENCODING"])
def test_namesakes_of_the_framing_are_refused(name):
    with pytest.raises(MalformedMessage, match="could be read as"):
        kept(name + b": 5")
