"""The opening handshake (RFC 6455, 4.2)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse, RequestError
from gasgi.settings import Settings
from gasgi.websocket.handshake import Handshake, accept_key, encode_accept, read_extensions, read_handshake
from tests.support.heads import make_head

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

FIELDS = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY.decode(),
    "Sec-WebSocket-Version": "13",
}


def read(
    start: str = "GET /chat HTTP/1.1", more: str = "", settings: Settings | None = None, **fields: str | None
) -> Handshake:
    """Read a handshake; a keyword replaces a field, None leaves it out."""
    replaced = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    lines = []
    for name, value in FIELDS.items():
        value = replaced.get(name.lower(), value)
        if value is not None:
            lines.append(f"{name}: {value}\r\n")
    head = make_head(f"{start}\r\n{''.join(lines)}{more}\r\n".encode())
    return read_handshake(head, settings or Settings())


def refusal(*args: str, **fields: str | None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(*args, **fields)
    return caught.value


def test_answers_the_key_of_the_rfc() -> None:
    assert accept_key(KEY) == ACCEPT


def test_reads_the_example_of_the_rfc() -> None:
    handshake = read(more="Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n")
    assert handshake == Handshake(KEY, ["chat", "superchat"], None)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS"])
def test_refuses_other_methods(method: str) -> None:
    error = refusal(f"{method} / HTTP/1.1")
    assert (error.status, error.fields) == (405, ((b"allow", b"GET"),))


def test_refuses_http_1_0() -> None:
    assert refusal("GET / HTTP/1.0").status == 400


@pytest.mark.parametrize("framing", ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"])
def test_refuses_a_handshake_with_a_body(framing: str) -> None:
    assert refusal("GET / HTTP/1.1", framing).status == 400


def test_takes_an_empty_body() -> None:
    assert read(more="Content-Length: 0\r\n").key == KEY


@pytest.mark.parametrize("version", ["12", "14", "8", "013", "13, 8", "", None])
def test_names_the_version_it_speaks(version: str | None) -> None:
    error = refusal(sec_websocket_version=version)
    assert (error.status, error.fields) == (426, ((b"sec-websocket-version", b"13"),))  # RFC 6455, 4.2.2


def test_refuses_the_version_twice() -> None:
    assert refusal("GET / HTTP/1.1", "Sec-WebSocket-Version: 13\r\n").status in (400, 426)


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "short",
        b64encode(bytes(15)).decode(),
        b64encode(bytes(17)).decode(),
        b64encode(bytes(18)).decode(),
        "!GhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ=",
    ],
)
def test_refuses_a_key_that_is_not_16_bytes(key: str | None) -> None:
    assert refusal(sec_websocket_key=key).status == 400


def test_refuses_two_keys() -> None:
    assert refusal("GET / HTTP/1.1", f"Sec-WebSocket-Key: {KEY.decode()}\r\n").status == 400


def test_reads_subprotocols_of_all_fields_in_order() -> None:
    more = "Sec-WebSocket-Protocol: a, b\r\nX: y\r\nsec-websocket-protocol:c ,, d\r\nSec-WebSocket-Protocol: \r\n"
    assert read(more=more).subprotocols == ["a", "b", "c", "d"]


def test_passes_on_subprotocols_that_are_no_tokens() -> None:
    # Credentials travel here: bearer tokens have slashes and equals signs.
    assert read(more="Sec-WebSocket-Protocol: bearer, abc/def==\r\n").subprotocols == ["bearer", "abc/def=="]


def test_agrees_on_deflate_from_all_fields() -> None:
    more = "Sec-WebSocket-Extensions: x-other\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    deflate = read(more=more).deflate
    assert deflate is not None
    assert deflate.answer == "permessage-deflate; server_max_window_bits=12"


def test_agrees_on_no_deflate_where_it_is_switched_off() -> None:
    more = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    assert read(more=more, settings=Settings(websocket_compression=False)).deflate is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a", [("a", [])]),
        (b"a,b", [("a", []), ("b", [])]),
        (b" a ; b ; c = d , e;f=\"g\"", [("a", [("b", None), ("c", "d")]), ("e", [("f", "g")])]),
        (b",, a ,, b ,", [("a", []), ("b", [])]),
    ],
)  # fmt: skip
def test_reads_extensions(value: bytes, expected: list[Any]) -> None:
    assert read_extensions(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b";",
        b"a;",
        b"a b",
        b"a;b c",
        b"a;b=",
        b'a;b="',
        b'a;b="c',
        b'a;b="c d"',
        b'a;b=""',
        b"(",
        b"a,;",
        b"a=b",
        b"\xe9",
    ],
)
def test_refuses_extensions_that_break_the_grammar(value: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        read_extensions(value)
    assert caught.value.status == 400  # RFC 6455, 9.1


def test_refuses_a_flood_of_extensions() -> None:
    with pytest.raises(RequestError):
        read_extensions(b"a," * 1000)


def answer(handshake: Handshake, subprotocol: str | None = None, headers: Any = ()) -> list[bytes]:
    data = encode_accept(handshake, subprotocol, headers, b"server: s\r\n", b"date: d\r\n")
    assert data.endswith(b"\r\n\r\n")
    return data[:-4].split(b"\r\n")


def test_encodes_the_answer() -> None:
    lines = answer(read())
    assert lines[0] == b"HTTP/1.1 101 Switching Protocols"
    assert sorted(lines[1:]) == [
        b"connection: Upgrade",
        b"date: d",
        b"sec-websocket-accept: " + ACCEPT,
        b"server: s",
        b"upgrade: websocket",
    ]


def test_encodes_subprotocol_and_extension() -> None:
    handshake = read(more="Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n")
    lines = answer(handshake, "superchat")
    assert b"sec-websocket-protocol: superchat" in lines
    assert b"sec-websocket-extensions: permessage-deflate; server_max_window_bits=12" in lines


@pytest.mark.parametrize("subprotocol", [None, ""])
def test_names_no_subprotocol_where_the_app_names_none(subprotocol: str | None) -> None:
    lines = answer(read(more="Sec-WebSocket-Protocol: chat\r\n"), subprotocol)
    assert not [line for line in lines if line.startswith(b"sec-websocket-protocol")]


@pytest.mark.parametrize("subprotocol", ["other", "Chat", "chat\r\nx: y"])
def test_refuses_a_subprotocol_that_was_not_offered(subprotocol: str) -> None:
    with pytest.raises(ASGIMisuse, match="not among those offered"):
        answer(read(more="Sec-WebSocket-Protocol: chat\r\n"), subprotocol)


def test_refuses_to_answer_a_subprotocol_that_is_no_token() -> None:
    with pytest.raises(ASGIMisuse, match="not a token"):
        answer(read(more="Sec-WebSocket-Protocol: a/b\r\n"), "a/b")


def test_keeps_the_headers_of_the_app_in_order() -> None:
    headers = [(b"X-One", b"1"), [b"set-cookie", b"a=b"], (b"set-cookie", b"c=d"), (b"server", b"own")]
    lines = answer(read(), None, headers)
    assert lines[1:5] == [b"x-one: 1", b"set-cookie: a=b", b"set-cookie: c=d", b"server: own"]
    assert b"server: s" not in lines


def test_takes_headers_from_a_generator() -> None:
    assert b"a: b" in answer(read(), None, (pair for pair in [(b"a", b"b")]))


@pytest.mark.parametrize("name", [b"sec-websocket-protocol", b"Sec-WebSocket-Accept", b"sec-websocket-extensions"])
def test_refuses_headers_that_are_the_servers(name: bytes) -> None:
    with pytest.raises(ASGIMisuse, match="is the server's"):
        answer(read(), None, [(name, b"x")])


@pytest.mark.parametrize(
    "header", [(b"a", b"b\r\nc: d"), (b"a b", b"c"), ("a", "b"), (b"a", "b"), (b"a",), (b"a", b"b", b"c"), 5, None]
)
def test_refuses_headers_that_must_not_reach_the_wire(header: Any) -> None:
    with pytest.raises(ASGIMisuse):
        answer(read(), None, [header])


@pytest.mark.parametrize(
    "header", [(b"upgrade", b"h2c"), (b"connection", b"close"), (b"content-length", b"5"), (b"transfer-encoding", b"x")]
)
def test_leaves_out_what_only_the_server_knows(header: tuple[bytes, bytes]) -> None:
    assert answer(read(), None, [header]) == answer(read())
