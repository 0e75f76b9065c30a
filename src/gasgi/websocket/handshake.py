"""Check a WebSocket handshake and encode the answer to it (RFC 6455, 4.2).

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

__all__ = ["Handshake", "accept_key", "encode_accept", "read_extensions", "read_handshake"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_VERSION = b"13"
_MAX_OFFERS = 32  # real clients send one or two

# RFC 6455, 9.1: a token, then parameters; a value is a token, quoted or not.
_NAME_PATTERN = TOKEN_PATTERN.decode("ascii")
_match_name = re.compile(rf"[ \t]*({_NAME_PATTERN})[ \t]*").match
_match_parameter = re.compile(
    rf';[ \t]*({_NAME_PATTERN})[ \t]*(?:=[ \t]*(?:({_NAME_PATTERN})|"({_NAME_PATTERN})")[ \t]*)?'
).match
_is_token = re.compile(_NAME_PATTERN).fullmatch


class Handshake(NamedTuple):
    """What a client asks for."""

    key: bytes
    subprotocols: list[str]
    deflate: DeflateAgreement | None


def read_handshake(head: RequestHead, settings: Settings) -> Handshake:
    """Check the client's part (RFC 6455, 4.2.1); raise RequestError with the answer."""
    if head.method != "GET":
        raise RequestError(405, "a WebSocket handshake must use GET", ((b"allow", b"GET"),))
    if head.http_version != "1.1":
        raise RequestError(400, "a WebSocket handshake needs HTTP/1.1")
    if head.content_length > 0 or head.is_chunked:
        # Its bytes could be read as a body by one and as frames by another.
        raise RequestError(400, "a WebSocket handshake has no body")
    keys = []
    versions = []
    subprotocols: list[str] = []
    extensions = []
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
    if versions != [_VERSION]:
        # RFC 6455, 4.2.2: say which version would do.
        fields = ((b"sec-websocket-version", _VERSION),)
        raise RequestError(426, "only WebSocket version 13 is supported", fields)
    if len(keys) != 1 or not _is_key(keys[0]):
        raise RequestError(400, "sec-websocket-key must be 16 bytes as base64, once")
    deflate = None
    if extensions:
        # Several fields are one list (RFC 6455, 9.1).
        offers = read_extensions(b",".join(extensions))
        if settings.websocket_compression:
            deflate = agree_on_deflate(offers, settings.websocket_compression_window_bits)
    return Handshake(keys[0], subprotocols, deflate)


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


def encode_accept(
    handshake: Handshake,
    subprotocol: str | None,
    headers: Iterable[Iterable[bytes]],
    server_field: bytes,
    date_field: bytes,
) -> bytes:
    """Encode the 101 answer; raise ASGIMisuse for what the app must not put into it.

    A subprotocol that the client did not offer is refused: clients drop the connection over it (RFC 6455, 4.1),
    and the app's log is a better place to learn why.
    """
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
    parts = [
        encode_response_head(101, fields, server_field, date_field)[0],
        b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
        accept_key(handshake.key),
    ]
    if subprotocol:
        if subprotocol not in handshake.subprotocols:
            raise ASGIMisuse(f"subprotocol {subprotocol!r} is not among those offered: {handshake.subprotocols}")
        if not _is_token(subprotocol):
            raise ASGIMisuse(f"subprotocol {subprotocol!r} is not a token")
        parts.append(b"\r\nsec-websocket-protocol: " + subprotocol.encode("latin-1"))
    if handshake.deflate is not None:
        parts.append(b"\r\nsec-websocket-extensions: " + handshake.deflate.answer.encode("latin-1"))
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
