"""The request and response objects that hooks and loggers get."""

from __future__ import annotations

import time

from gasgi.reporting.gunicorn_view import RequestView, ResponseView
from tests.support.fake_head import FakeHead

HEAD = FakeHead(
    b"/caf%C3%A9?q=1",
    [
        (b"host", b"example.com"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"3"),
        (b"x-name", b"a"),
        (b"x-name", b"b"),
    ],
    method="PUT",
    path="/café",
)
CLIENT = ("192.0.2.1", 50000)
SERVER = ("192.0.2.2", 8000)


def test_request_has_what_gunicorns_request_has():
    view = RequestView(HEAD, CLIENT, SERVER, "https")
    assert (view.method, view.uri, view.path) == ("PUT", "/caf%C3%A9?q=1", "/caf%C3%A9")
    assert (view.query, view.fragment) == ("q=1", "")
    assert view.version == (1, 1)
    assert view.scheme == "https"
    assert view.remote_addr == view.peer_addr == CLIENT
    assert view.headers[0] == ("HOST", "example.com")
    assert view.headers[-2:] == [("X-NAME", "a"), ("X-NAME", "b")]
    assert view.proxy_protocol_info is None
    assert view.trailers == []
    assert view.should_close() is False


def test_environ_has_the_variables_of_wsgi():
    environ = RequestView(HEAD, CLIENT, SERVER, "https").environ
    assert environ == {
        "REQUEST_METHOD": "PUT",
        "RAW_URI": "/caf%C3%A9?q=1",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/café",
        "QUERY_STRING": "q=1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "192.0.2.2",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "50000",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "example.com",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "HTTP_X_NAME": "a,b",
    }


def test_headers_and_environ_are_made_once():
    view = RequestView(HEAD, CLIENT, SERVER, "http")
    assert view.headers is view.headers
    assert view.environ is view.environ


def test_unix_peer_has_no_port():
    view = RequestView(HEAD, None, ("/run/gasgi.sock", None), "http")
    assert view.remote_addr == ""
    assert view.environ["REMOTE_ADDR"] == "unix:"
    assert "REMOTE_PORT" not in view.environ
    assert (view.environ["SERVER_NAME"], view.environ["SERVER_PORT"]) == ("/run/gasgi.sock", "")


def test_request_refused_before_its_head_has_values_everywhere():
    view = RequestView(None, CLIENT, SERVER, "http")
    assert (view.method, view.uri, view.path, view.query, view.version) == ("-", "-", "-", "", (1, 1))
    assert view.headers == []
    assert view.should_close() is True
    assert view.environ["REQUEST_METHOD"] == "-"
    assert view.find_field(b"host") is None


def test_hooks_may_keep_notes_on_request_and_response():
    view = RequestView(HEAD, CLIENT, SERVER, "http")
    view.started = 1.5
    response = ResponseView(200, [], 0, 0.0)
    response.note = "slow"
    assert (view.started, response.note) == (1.5, "slow")


def test_find_field_joins_repeated_fields():
    view = RequestView(HEAD, CLIENT, SERVER, "http")
    assert view.find_field(b"x-name") == "a,b"
    assert view.find_field(b"x-none") is None


def test_environ_joins_repeated_fields_in_their_order():
    fields = [(b"x-a", b"1"), (b"content-type", b"a"), (b"x_a", b"2"), (b"content-type", b"b"), (b"x-a", b"3")]
    environ = RequestView(FakeHead(headers=fields), CLIENT, SERVER, "http").environ
    assert (environ["HTTP_X_A"], environ["CONTENT_TYPE"]) == ("1,2,3", "a,b")


def test_many_lines_of_one_field_are_joined_in_one_go():
    # Added to one another, each copies all before it: 12 s of CPU time for what takes some 10 ms.
    fields = [(b"referer", b"x" * 250)] * 32_000
    view = RequestView(FakeHead(headers=fields), CLIENT, SERVER, "http")
    before = time.process_time()
    assert len(view.environ["HTTP_REFERER"]) == len(view.find_field(b"referer")) == 251 * 32_000 - 1
    assert time.process_time() - before < 1


def test_proxy_header_shows_in_the_environ():
    view = RequestView(HEAD, CLIENT, SERVER, "http")
    view.proxy_protocol_info = {"proxy_protocol": "TCP4", "proxy_addr": "192.0.2.9", "proxy_port": 443}
    assert view.environ["PROXY_PROTOCOL"] == "TCP4"
    assert (view.environ["PROXY_ADDR"], view.environ["PROXY_PORT"]) == ("192.0.2.9", "443")


def test_http_1_0_is_told_apart():
    view = RequestView(FakeHead(http_version="1.0"), CLIENT, SERVER, "http")
    assert (view.version, view.protocol) == ((1, 0), "HTTP/1.0")


def test_http_2_has_the_version_that_logs_write():
    view = RequestView(FakeHead(http_version="2"), CLIENT, SERVER, "http")
    assert (view.version, view.protocol) == ((2, 0), "HTTP/2.0")
    assert view.environ["SERVER_PROTOCOL"] == "HTTP/2.0"


def test_response_has_what_gunicorns_response_has():
    response = ResponseView(404, [(b"Content-Length", b"12"), (b"x", b"\xe9")], 12, 0.25)
    assert (response.status, response.status_code) == ("404 Not Found", 404)
    assert response.headers == [("Content-Length", "12"), ("x", "\xe9")]
    assert response.headers is response.headers
    assert response.headers_sent is True
    assert (response.sent, response.response_length) == (12, 12)


def test_response_without_a_length_says_so():
    assert ResponseView(200, [(b"content-length", b"many")], 0, 0).response_length is None
    assert ResponseView(200, [], 0, 0).response_length is None


def test_status_of_a_client_that_left_has_nginx_reason():
    assert ResponseView(499, [], 0, 0).status == "499 Client Closed Request"
    assert ResponseView(299, [], 0, 0).status == "299 Unknown"
