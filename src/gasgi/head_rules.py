"""Rules for reading a request head that are too rare to be worth C: both parser twins call them.

Bytes in, values out. Whatever is refused here is a RequestError that carries its answer.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gasgi.errors import RequestError
from gasgi.tables import COMMON_FIELD_NAMES, METHODS, SINGLETON_FIELDS, TOKEN_PATTERN

__all__ = [
    "FieldKind",
    "HeadLimits",
    "RequestLine",
    "check_expect",
    "check_transfer_encoding",
    "decode_path",
    "is_host",
    "known_fields",
    "list_members",
    "read_content_length",
    "read_request_line",
    "replace_host",
]

# gunicorn documents 0 as unlimited. Nothing is: these bounds hold then.
LINE_MAX = 1024 * 1024
FIELD_BYTES_MAX = 1024 * 1024
FIELDS_MAX = 32768
# Whatever the three limits multiply to, one head never holds more memory than this.
HEAD_BYTES_MAX = 16 * 1024 * 1024
CONTENT_LENGTH_MAX = 2**63 - 1
PORT_MAX = 65535

_METHODS = frozenset(method.encode() for method in METHODS)
_TOKEN = re.compile(TOKEN_PATTERN)
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
# RFC 3986, 2: printable ASCII, the rest comes percent-encoded. RFC 9112, 3.2: a target has no fragment.
_TARGET = re.compile(rb"[!-\"$-~]+")
_ABSOLUTE = re.compile(rb"(?:https?|wss?)://([^/?]*)([^?]*)(.*)", re.IGNORECASE)
# RFC 3986, 3.2.2: IP-literal or reg-name, and 3.2.3: port.
_HOST = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?")


class FieldKind:
    """What the parser does with a field. From SINGLE on, each number is one more field that must not come twice."""

    PLAIN = 0
    HOST = 1
    CONTENT_LENGTH = 2
    TRANSFER_ENCODING = 3
    CONNECTION = 4
    UPGRADE = 5
    EXPECT = 6
    TE = 7
    PROXY_CONNECTION = 8
    SINGLE = 9


class HeadLimits:
    """How large a head may be, with gunicorn's meaning of 0; ``field_bytes`` counts the CRLF, ``line`` does not."""

    __slots__ = (
        "casefold_method",
        "field_bytes",
        "fields",
        "head_bytes",
        "line",
        "permit_method",
        "permit_version",
        "unlooked_bytes",
    )

    def __init__(
        self,
        line: int = 4094,
        fields: int = 100,
        field_bytes: int = 8190,
        permit_method: bool = False,
        permit_version: bool = False,
        casefold_method: bool = False,
    ) -> None:
        self.line = min(line, LINE_MAX) if line > 0 else LINE_MAX
        self.fields = min(fields, FIELDS_MAX) if fields > 0 else FIELDS_MAX
        # Two bytes at least, or the empty line that ends a head would be a field too long.
        self.field_bytes = max(2, min(field_bytes, FIELD_BYTES_MAX)) if field_bytes > 0 else FIELD_BYTES_MAX
        self.head_bytes = min(self.line + 2 + self.fields * self.field_bytes + 2, HEAD_BYTES_MAX)
        # No line of a head of this size can be too long.
        self.unlooked_bytes = min(self.line, self.field_bytes - 1)
        self.permit_method = permit_method
        self.permit_version = permit_version
        self.casefold_method = casefold_method


class RequestLine(NamedTuple):
    """A request line that the twins' usual path did not take; ``authority`` is None unless the target is absolute."""

    method: str
    target: bytes
    raw_path: bytes
    query_string: bytes
    authority: bytes | None
    is_http_10: bool


def known_fields() -> dict[bytes, tuple[bytes, int]]:
    """Return spelling -> (lower-case name, FieldKind) for the names worth knowing, each name one shared object."""
    kinds = {
        b"host": FieldKind.HOST,
        b"content-length": FieldKind.CONTENT_LENGTH,
        b"transfer-encoding": FieldKind.TRANSFER_ENCODING,
        b"connection": FieldKind.CONNECTION,
        b"upgrade": FieldKind.UPGRADE,
        b"expect": FieldKind.EXPECT,
        b"te": FieldKind.TE,
        b"proxy-connection": FieldKind.PROXY_CONNECTION,
    }
    for number, name in enumerate(sorted(SINGLETON_FIELDS - kinds.keys())):
        kinds[name] = FieldKind.SINGLE + number
    spellings = {name.lower(): name for name in COMMON_FIELD_NAMES}
    table: dict[bytes, tuple[bytes, int]] = {}
    for lower in sorted(spellings.keys() | kinds.keys()):
        entry = (lower, kinds.get(lower, FieldKind.PLAIN))
        for spelling in (lower, lower.upper(), lower.title(), spellings.get(lower, lower)):
            table[spelling] = entry
    return table


def read_request_line(line: bytes, limits: HeadLimits) -> RequestLine:
    """Read any request line (without its CRLF) strictly; raise RequestError for what RFC 9112, 3 does not allow."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise RequestError(400, "request line is not method SP target SP version")
    method, target, version = parts
    is_http_10 = _read_version(version, limits)
    method = _read_method(method, limits)
    if _TARGET.fullmatch(target) is None:
        raise RequestError(400, "request target has a character that must be percent-encoded")
    if target.startswith(b"/"):
        raw_path, _, query_string = target.partition(b"?")
        return RequestLine(method.decode("ascii"), target, raw_path, query_string, None, is_http_10)
    if target == b"*":
        if method != b"OPTIONS":
            # RFC 9112, 3.2.4.
            raise RequestError(400, "asterisk-form is for OPTIONS only")
        return RequestLine("OPTIONS", target, target, b"", None, is_http_10)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        # RFC 9112, 3.2.3: authority-form is for CONNECT only.
        raise RequestError(400, "request target is neither a path nor an absolute http URI")
    authority, raw_path, query = absolute.groups()
    # RFC 9110, 4.2.4: userinfo in a request target is an error, most likely an attempt to mislead. No "@" is a host.
    if not is_host(authority):
        raise RequestError(400, "request target has an invalid authority")
    if not raw_path:
        # RFC 9112, 3.2.4: OPTIONS for an absolute URI with an empty path and no query means "*".
        raw_path = b"*" if method == b"OPTIONS" and not query else b"/"
    return RequestLine(method.decode("ascii"), target, raw_path, query[1:], authority, is_http_10)


def _read_version(version: bytes, limits: HeadLimits) -> bool:
    """Return whether the message is to be read as HTTP/1.0."""
    if version == b"HTTP/1.1":
        return False
    if version == b"HTTP/1.0":
        return True
    match = _VERSION.fullmatch(version)
    if match is None:
        raise RequestError(400, "malformed HTTP version")
    if not limits.permit_version:
        raise RequestError(505, "HTTP version is neither 1.0 nor 1.1")
    return match.group(1) == b"0"


def _read_method(method: bytes, limits: HeadLimits) -> bytes:
    if _TOKEN.fullmatch(method) is None:
        raise RequestError(400, "method is not a token")
    if limits.casefold_method:
        method = method.upper()
    if method == b"CONNECT":
        # RFC 9110, 9.3.6: for proxies; what follows would be a tunnel, so it is refused in every mode.
        raise RequestError(501, "CONNECT")
    if method not in _METHODS and not limits.permit_method:
        # RFC 9110, 9.1.
        raise RequestError(501, "unknown method")
    return method


def is_host(value: bytes) -> bool:
    """Say whether ``value`` is uri-host [":" port] with a host in it; RFC 9110, 7.2 and RFC 3986, 3.2.2."""
    match = _HOST.fullmatch(value)
    if match is None:
        return False
    address, port = match.groups()
    if port and int(port) > PORT_MAX:
        return False
    if address is None:
        return True
    try:
        IPv6Address(address.decode("ascii"))
    except AddressValueError:
        return False
    return True


def read_content_length(value: bytes) -> int:
    """Read 1*DIGIT (RFC 9110, 8.6) that fits 63 bits; lists, signs, blanks and underscores are refused."""
    if not value.isdigit():
        raise RequestError(400, "invalid content-length")
    # The digits are counted first: Python refuses to convert thousands of them, with an error of its own.
    digits = value.lstrip(b"0")
    length = int(digits or b"0") if len(digits) <= 19 else CONTENT_LENGTH_MAX + 1
    if length > CONTENT_LENGTH_MAX:
        raise RequestError(400, "content-length is too large")
    return length


def check_transfer_encoding(value: bytes) -> None:
    """Raise unless the codings are ``chunked`` alone; RFC 9112, 6.1 and 6.3."""
    codings = list_members(value)
    if codings == [b"chunked"]:
        return
    if not codings or b"chunked" in codings[:-1]:
        raise RequestError(400, "chunked is not the last transfer coding, or not the only chunked")
    raise RequestError(501, "transfer coding is not implemented")


def check_expect(value: bytes) -> None:
    """Raise 417 for any expectation but ``100-continue``; RFC 9110, 10.1.1."""
    members = list_members(value)
    if not members or any(member != b"100-continue" for member in members):
        raise RequestError(417, "unknown expectation")


def list_members(value: bytes) -> list[bytes]:
    """Split a comma-separated field value into its members, in lower case, without blanks and empty ones."""
    members = (member.strip(b" \t") for member in value.lower().split(b","))
    return [member for member in members if member]


def decode_path(raw_path: bytes) -> str:
    """Percent-decode, then decode UTF-8 with U+FFFD for what is none; a stray ``%`` stays as it is."""
    return unquote_to_bytes(raw_path).decode("utf-8", "replace")


def replace_host(fields: list[tuple[bytes, bytes]], authority: bytes) -> list[tuple[bytes, bytes]]:
    """Return ``fields`` with ``authority`` as the value of Host; in front where HTTP/1.0 came without one."""
    if any(name == b"host" for name, _ in fields):
        return [(name, authority if name == b"host" else value) for name, value in fields]
    return [(b"host", authority), *fields]
