"""Check a WebSocket handshake and encode the answer to it (RFC 6455, 4.2; over HTTP/2 RFC 8441, 5).

Bytes in, values out: no I/O, no ASGI conversation. The parser has checked the request itself; this reads its fields.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable
from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple

from gasgi._accel import encode_response_head
from gasgi.errors import ASGIMisuse, RequestError
from gasgi.tables import TOKEN_PATTERN
from gasgi.websocket.deflate import DeflateAgreement, ExtensionOffer, agree_on_deflate

if TYPE_CHECKING:
    from gasgi._accel import RequestHead
    from gasgi.settings import Settings

__all__ = [
    "Handshake",
    "accept_key",
    "agreed_fields",
    "checked_fields",
    "encode_accept",
    "read_connect",
    "read_extensions",
    "read_handshake",
]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_VERSION = b"13"
_VERSION_FIELDS = ((b"sec-websocket-version", _VERSION),)
_MAX_OFFERS = 32  # real clients send one or two

# RFC 6455, 9.1: a token, then parameters; a value is a token, quoted or not.
_NAME_PATTERN = TOKEN_PATTERN.decode("ascii")
_match_name = re.compile(rf"[ \t]*({_NAME_PATTERN})[ \t]*").match
_match_parameter = re.compile(
    rf';[ \t]*({_NAME_PATTERN})[ \t]*(?:=[ \t]*(?:({_NAME_PATTERN})|"({_NAME_PATTERN})")[ \t]*)?'
).match
_is_token = re.compile(_NAME_PATTERN).fullmatch


class Handshake(NamedTuple):
    """What a client asks for. ``key`` is empty over HTTP/2, where nothing has to be proved."""

    key: bytes
    subprotocols: list[str]
    deflate: DeflateAgreement | None


def read_handshake(head: RequestHead, settings: Settings) -> Handshake:
    """Check the client's part over HTTP/1.1 (RFC 6455, 4.2.1); raise RequestError with the answer."""
    if head.method != "GET":
        raise RequestError(405, "a WebSocket handshake must use GET", ((b"allow", b"GET"),))
    if head.http_version != "1.1":
        raise RequestError(400, "a WebSocket handshake needs HTTP/1.1")
    if head.content_length > 0 or head.is_chunked:
        # Its bytes could be read as a body by one and as frames by another.
        raise RequestError(400, "a WebSocket handshake has no body")
    keys, versions, subprotocols, extensions = _read_fields(head)
    if versions != [_VERSION]:
        # RFC 6455, 4.2.2: say which version would do.
        raise RequestError(426, "only WebSocket version 13 is supported", _VERSION_FIELDS)
    if len(keys) != 1 or not _is_key(keys[0]):
        raise RequestError(400, "sec-websocket-key must be 16 bytes as base64, once")
    return Handshake(keys[0], subprotocols, _agree(extensions, settings))


def read_connect(head: RequestHead, settings: Settings) -> Handshake:
    """Check the client's part over HTTP/2 (RFC 8441, 5): an extended CONNECT; raise RequestError with the answer."""
    if head.content_length >= 0:
        raise RequestError(400, "a WebSocket handshake has no body")
    if not head.is_chunked:
        raise RequestError(400, "the client has ended the stream of its WebSocket handshake")
    _, versions, subprotocols, extensions = _read_fields(head)
    if versions != [_VERSION]:
        # Not 426, which has to name an upgrade (RFC 9110, 15.5.22), and HTTP/2 has none.
        raise RequestError(400, "only WebSocket version 13 is supported", _VERSION_FIELDS)
    return Handshake(b"", subprotocols, _agree(extensions, settings))


def _read_fields(head: RequestHead) -> tuple[list[bytes], list[bytes], list[str], list[bytes]]:
    """Return keys, versions, subprotocols and extensions, as often as they are given."""
    keys: list[bytes] = []
    versions: list[bytes] = []
    subprotocols: list[str] = []
    extensions: list[bytes] = []
    for name, value in head.headers:
        if not name.startswith(b"sec-websocket-"):
            continue
        if name == b"sec-websocket-key":
            keys.append(value)
        elif name == b"sec-websocket-version":
            versions.append(value)
        elif name == b"sec-websocket-protocol":
            # Not held to the grammar of a token: credentials travel here, and what they mean is the app's business.
            for item in value.decode("latin-1").split(","):
                item = item.strip(" \t")
                if item:
                    subprotocols.append(item)
        elif name == b"sec-websocket-extensions":
            extensions.append(value)
    return keys, versions, subprotocols, extensions


def _agree(extensions: list[bytes], settings: Settings) -> DeflateAgreement | None:
    if not extensions:
        return None
    # Several fields are one list (RFC 6455, 9.1).
    offers = read_extensions(b",".join(extensions))
    if not settings.websocket_compression:
        return None
    return agree_on_deflate(offers, settings.websocket_compression_window_bits)


def read_extensions(value: bytes) -> list[ExtensionOffer]:
    """Read Sec-WebSocket-Extensions (RFC 6455, 9.1); raise RequestError when it breaks the grammar."""
    text = value.decode("latin-1")
    offers: list[ExtensionOffer] = []
    position = 0
    while position < len(text):
        match = _match_name(text, position)
        if match is None:
            position = _skip_empty(text, position)
            continue
        name = match[1]
        position = match.end()
        parameters: list[tuple[str, str | None]] = []
        while (match := _match_parameter(text, position)) is not None:
            parameters.append((match[1], match[2] or match[3]))
            position = match.end()
        if position < len(text) and text[position] != ",":
            raise RequestError(400, "malformed sec-websocket-extensions")
        position += 1
        offers.append((name, parameters))
        if len(offers) > _MAX_OFFERS:
            raise RequestError(400, "too many WebSocket extensions")
    return offers


def accept_key(key: bytes) -> bytes:
    """Answer the client's key (RFC 6455, 4.2.2, 5.4)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def checked_fields(headers: Iterable[Iterable[bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the app's fields of an answer that accepts; raise ASGIMisuse for those that are the server's."""
    fields = []
    for field in headers:
        try:
            name, value = field
        except (TypeError, ValueError):
            raise ASGIMisuse(f"a header must be a pair of name and value, not {field!r}") from None
        if isinstance(name, bytes):
            lower = name.lower()
            if lower.startswith(b"sec-websocket-"):
                raise ASGIMisuse(f"header {name!r} is the server's; a subprotocol goes into the event's own key")
            if lower == b"upgrade":
                continue
        fields.append((name, value))
    return fields


def agreed_fields(handshake: Handshake, subprotocol: str | None) -> list[tuple[bytes, bytes]]:
    """Return what says on what the two agreed; raise ASGIMisuse.

    A subprotocol that the client did not offer is refused: clients drop the connection over it (RFC 6455, 4.1),
    and the app's log is a better place to learn why.
    """
    fields = []
    if subprotocol:
        if subprotocol not in handshake.subprotocols:
            raise ASGIMisuse(f"subprotocol {subprotocol!r} is not among those offered: {handshake.subprotocols}")
        if not _is_token(subprotocol):
            raise ASGIMisuse(f"subprotocol {subprotocol!r} is not a token")
        fields.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
    if handshake.deflate is not None:
        fields.append((b"sec-websocket-extensions", handshake.deflate.answer.encode("latin-1")))
    return fields


def encode_accept(
    handshake: Handshake,
    subprotocol: str | None,
    headers: Iterable[Iterable[bytes]],
    server_field: bytes,
    date_field: bytes,
) -> bytes:
    """Encode the 101 answer; raise ASGIMisuse for what the app must not put into it."""
    parts = [
        encode_response_head(101, checked_fields(headers), server_field, date_field)[0],
        b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
        accept_key(handshake.key),
    ]
    for name, value in agreed_fields(handshake, subprotocol):
        parts.append(b"\r\n%b: %b" % (name, value))
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def _is_key(value: bytes) -> bool:
    try:
        return len(value) == 24 and len(a2b_base64(value)) == 16
    except Base64Error:
        return False


def _skip_empty(text: str, position: int) -> int:
    """Step over an empty element of the list (RFC 9110, 5.6.1.2)."""
    end = text.find(",", position)
    if end < 0:
        end = len(text)
    if text[position:end].strip(" \t"):
        raise RequestError(400, "malformed sec-websocket-extensions")
    return end + 1
