"""ASGI HTTP, "HTTP Connection Scope": rows B1 to B17 of docs/asgi.md."""

from __future__ import annotations

from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.served import GET, Served


def scope_of(request: bytes = GET, **options: Any) -> Any:
    with Served(**options) as rig:
        rig.send(request)
        return rig.call.scope


def get(target: bytes, *fields: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (target, b"".join(field + b"\r\n" for field in fields))


def test_b1_type_is_http() -> None:
    assert scope_of()["type"] == "http"


def test_b2_spec_version_is_2_5() -> None:
    assert scope_of()["asgi"]["spec_version"] == "2.5"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_b3_http_version(version: str) -> None:
    assert scope_of(b"GET / HTTP/%b\r\nHost: h\r\n\r\n" % version.encode())["http_version"] == version


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"])
def test_b4_method_is_in_upper_case(method: str) -> None:
    assert scope_of(b"%b / HTTP/1.1\r\nHost: h\r\n\r\n" % method.encode())["method"] == method


def test_b4_method_is_turned_into_upper_case_under_casefold_http_method() -> None:
    assert (
        scope_of(b"get / HTTP/1.1\r\nHost: h\r\n\r\n", settings=Settings(casefold_http_method=True))["method"] == "GET"
    )


def test_b5_scheme_is_http_or_https() -> None:
    assert scope_of()["scheme"] == "http"
    assert scope_of(extra={"sslcontext": object()})["scheme"] == "https"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/a/b", "/a/b"),
        (b"/%61?x=%62", "/a"),
        (b"/caf%C3%A9", "/café"),
        (b"/%F0%9F%90%8D", "/🐍"),
        (b"/a%2Fb", "/a/b"),
        (b"/a%20b+c", "/a b+c"),
        (b"/100%25", "/100%"),
        (b"//double//", "//double//"),
        (b"http://h/absolute?q", "/absolute"),
    ],
    ids=str,
)
def test_b6_path_is_decoded_and_has_no_query(target: bytes, path: str) -> None:
    assert scope_of(get(target))["path"] == path


def test_b6_path_that_is_no_utf_8_has_replacement_characters() -> None:
    assert scope_of(get(b"/%ff%C3%A9"))["path"] == "/\ufffdé"


def test_b7_raw_path_is_as_received() -> None:
    assert scope_of(get(b"/caf%C3%A9%2f;p?q=1"))["raw_path"] == b"/caf%C3%A9%2f;p"


@pytest.mark.parametrize(("target", "query"), [(b"/", b""), (b"/?", b""), (b"/?a=%20&b=?", b"a=%20&b=?")], ids=str)
def test_b8_query_string_is_bytes_as_received(target: bytes, query: bytes) -> None:
    assert scope_of(get(target))["query_string"] == query


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/app/page", "/app/page"),
        (b"/app", "/app"),
        (b"/page?q", "/app/page"),
        (b"/", "/app/"),
        (b"/application", "/app/application"),
        (b"/caf%C3%A9", "/app/café"),
    ],
    ids=str,
)
def test_b9_root_path_is_the_setting_and_path_begins_with_it(target: bytes, path: str) -> None:
    scope = scope_of(get(target), settings=Settings(root_path="/app"))
    assert scope["root_path"] == "/app"
    assert scope["path"] == path
    assert scope["raw_path"] == target.partition(b"?")[0]


def test_b9_root_path_is_empty_by_default_and_says_nothing_about_the_server_itself() -> None:
    assert scope_of()["root_path"] == ""
    request = b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"
    assert scope_of(request, settings=Settings(root_path="/app"))["path"] == "*"


def test_b10_headers_keep_their_order_and_duplicates_with_names_in_lower_case() -> None:
    scope = scope_of(get(b"/", b"X-B: 1", b"x-a:  2 ", b"X-B: 3", b"X-Latin: \xe9"))
    assert [tuple(pair) for pair in scope["headers"]] == [
        (b"host", b"h"),
        (b"x-b", b"1"),
        (b"x-a", b"2"),
        (b"x-b", b"3"),
        (b"x-latin", b"\xe9"),
    ]


def test_b11_no_pseudo_headers_reach_the_app() -> None:
    with Served() as rig:
        assert rig.ask(get(b"/", b":authority: evil")).startswith(b"HTTP/1.1 400 ")
        assert not rig.calls


def test_b12_client_is_the_peer() -> None:
    assert scope_of(extra={"peername": ("192.0.2.7", 4711), "sockname": ("192.0.2.1", 80)})["client"] == (
        "192.0.2.7",
        4711,
    )


def test_b12_client_is_none_on_a_unix_socket() -> None:
    assert scope_of(extra={"peername": "", "sockname": "/run/app.sock"})["client"] is None


def test_b13_server_is_the_address_connected_to() -> None:
    assert scope_of(extra={"peername": ("192.0.2.7", 4711), "sockname": ("192.0.2.1", 80)})["server"] == (
        "192.0.2.1",
        80,
    )


@pytest.mark.parametrize("name", ["/run/app.sock", b"/run/app.sock"], ids=repr)
def test_b13_server_is_the_path_of_a_unix_socket(name: Any) -> None:
    assert scope_of(extra={"peername": "", "sockname": name})["server"] == ("/run/app.sock", None)


def test_b14_ipv6_addresses_have_two_members() -> None:
    scope = scope_of(extra={"peername": ("2001:db8::7", 4711, 0, 0), "sockname": ("2001:db8::1", 80, 0, 0)})
    assert scope["client"] == ("2001:db8::7", 4711)
    assert scope["server"] == ("2001:db8::1", 80)


def test_b15_state_is_a_shallow_copy_of_the_lifespan_s() -> None:
    state = {"pool": [1]}
    scope = scope_of(prepare=lambda runtime: setattr(runtime, "state", state))
    assert scope["state"] == state
    assert scope["state"] is not state
    assert scope["state"]["pool"] is state["pool"]


def test_b15_state_is_absent_without_a_lifespan() -> None:
    assert "state" not in scope_of()


def test_b16_extensions_are_always_a_dict() -> None:
    assert type(scope_of()["extensions"]) is dict


def test_b17_the_app_sees_no_framing() -> None:
    with Served() as rig:
        rig.send(
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
        )
        assert rig.call.hear() == {"type": "http.request", "body": b"abcde", "more_body": False}
        assert (b"x-t", b"1") not in rig.call.scope["headers"]
