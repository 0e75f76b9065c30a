"""Make a request head out of the fields of a header block (RFC 9113, 8.2, 8.3; RFC 8441, 4), as strict as HTTP/1.1's.

Pairs in, a ``RequestHead`` out: no frames, no I/O. What breaks HTTP/2 is a StreamError, what any wire refuses a
RequestError that carries its answer.
"""

from __future__ import annotations

from gasgi._accel import RequestHead
from gasgi.errors import RequestError, StreamError
from gasgi.head_rules import (
    FieldKind,
    HeadLimits,
    check_expect,
    decode_path,
    is_host,
    known_fields,
    read_content_length,
)
from gasgi.http2_codes import PROTOCOL_ERROR
from gasgi.tables import FORBIDDEN_TRAILERS, METHODS, TOKEN_BYTES

__all__ = ["HeadReader", "check_trailers"]

# What is done with a field; from _SINGLE on, each number is one more field that must not come twice.
_PLAIN = 0
_FORBIDDEN = 1
_EXPECT = 2
_TE = 3
_COOKIE = 4
_PRIORITY = 5
_SINGLE = 6
_HOST = 7
_CONTENT_LENGTH = 8
_FIRST_OTHER = 9

_KINDS: dict[bytes, int] = {}
for _name, _kind in known_fields().values():
    _KINDS[_name] = _FIRST_OTHER + _kind - FieldKind.SINGLE if _kind >= FieldKind.SINGLE else _PLAIN
# RFC 9113, 8.2.2: fields about an HTTP/1.1 connection.
for _name in (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"):
    _KINDS[_name] = _FORBIDDEN
_KINDS.update({b"expect": _EXPECT, b"te": _TE, b"cookie": _COOKIE, b"host": _HOST, b"content-length": _CONTENT_LENGTH})
_KINDS[b"priority"] = _PRIORITY
if max(_KINDS.values()) > 30:  # an int of C
    raise ImportError("more single fields than bits")

_USUAL_METHODS: dict[bytes, str] = {method.encode(): method for method in METHODS}
# RFC 3986, 2: printable ASCII, without the fragment.
_TARGET_BYTES = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x23)
_COLON = 0x3A
_FIELD_OVERHEAD = 4  # what a line of HTTP/1.1 has beside name and value: a colon, a blank and CRLF
_LINE_OVERHEAD = 10  # two blanks and a version


class HeadReader:
    """Reads the heads of one connection. ``takes_websockets``: SETTINGS_ENABLE_CONNECT_PROTOCOL was sent (RFC 8441)."""

    def __init__(self, limits: HeadLimits, takes_websockets: bool) -> None:
        # Fixed for the connection
        self._limits = limits
        self._max_field_bytes = limits.field_bytes
        self._max_fields = limits.fields
        self._takes_websockets = takes_websockets

        # What the last request said and the next most likely says again: in HPACK's table it is the same object
        self._authority: bytes | None = None
        self._host_field = (b"host", b"")
        self._target: bytes | None = None
        self._path = ""
        self._raw_path = b""
        self._query_string = b""

        # The pseudo-fields of the request in progress
        self._said_method: bytes | None = None
        self._said_scheme: bytes | None = None
        self._said_authority: bytes | None = None
        self._said_path: bytes | None = None
        self._said_protocol: bytes | None = None
        self.priority: bytes | None = None  # what the priority field of the last request said (RFC 9218, 5)

    def read(self, stream_id: int, fields: list[tuple[bytes, bytes]], flaw: str, ends_stream: bool) -> RequestHead:
        """Return the head of a request; ``fields`` and ``flaw`` are those of an HpackDecoder.

        As for HTTP/1.1, ``is_chunked`` says that a body comes whose length is not known. Of an extended CONNECT for
        WebSockets ``method`` is CONNECT and ``upgrade`` is ``websocket``. Raises StreamError and RequestError.
        """
        if flaw:
            raise StreamError(stream_id, PROTOCOL_ERROR, flaw)
        count = self._read_pseudo_fields(stream_id, fields)
        head = RequestHead()
        head.http_version = "2"
        head.content_length = -1
        head.keep_alive = True
        head.is_chunked = head.expects_continue = head.accepts_trailers = head.has_underscore_name = False
        head.upgrade = b""
        self._read_request(stream_id, head)
        host = self._read_fields(stream_id, head, fields, count)
        self._read_authority(stream_id, head, host)
        if head.content_length < 0 and not ends_stream:
            head.is_chunked = True
        return head

    def _read_pseudo_fields(self, stream_id: int, fields: list[tuple[bytes, bytes]]) -> int:
        """Keep the pseudo-fields, which come first (RFC 9113, 8.3); return how many there are."""
        self._said_method = self._said_scheme = self._said_authority = self._said_path = self._said_protocol = None
        self.priority = None
        count = 0
        said: bytes | None
        for name, value in fields:
            if name[0] != _COLON:
                break
            if name == b":method":
                said = self._said_method
                self._said_method = value
            elif name == b":path":
                said = self._said_path
                self._said_path = value
            elif name == b":scheme":
                said = self._said_scheme
                self._said_scheme = value
            elif name == b":authority":
                said = self._said_authority
                self._said_authority = value
            elif name == b":protocol" and self._takes_websockets:
                said = self._said_protocol
                self._said_protocol = value
            else:
                raise StreamError(stream_id, PROTOCOL_ERROR, "unknown pseudo-header field")
            if said is not None:
                raise StreamError(stream_id, PROTOCOL_ERROR, "pseudo-header field given twice")
            count += 1
        return count

    def _read_request(self, stream_id: int, head: RequestHead) -> None:
        """Read method, scheme and path (RFC 9113, 8.3.1)."""
        method = self._said_method
        target = self._said_path
        scheme = self._said_scheme
        if method is None:
            raise StreamError(stream_id, PROTOCOL_ERROR, ":method is missing")
        if method == b"CONNECT":
            self._check_connect(stream_id)
            head.upgrade = b"websocket"
        elif self._said_protocol is not None:
            raise StreamError(stream_id, PROTOCOL_ERROR, ":protocol without CONNECT")  # RFC 8441, 4
        if target is None or scheme is None:
            raise StreamError(stream_id, PROTOCOL_ERROR, ":scheme or :path is missing")
        known = _USUAL_METHODS.get(method)
        head.method = self._read_method(method) if known is None else known
        if scheme != b"http" and scheme != b"https" and scheme.lower() not in (b"http", b"https"):
            raise RequestError(400, "unknown scheme")
        if target is not self._target:
            self._read_target(stream_id, method, target)
        elif target == b"*" and method != b"OPTIONS":
            raise RequestError(400, "asterisk-form is for OPTIONS only")
        if len(method) + len(target) + _LINE_OVERHEAD > self._limits.line:
            raise RequestError(414, "request line is too long")
        head.target = target
        head.path = self._path
        head.raw_path = self._raw_path
        head.query_string = self._query_string

    def _check_connect(self, stream_id: int) -> None:
        protocol = self._said_protocol
        if protocol is None:
            # RFC 9113, 8.5. gasgi is no proxy, as in HTTP/1.1.
            if self._said_path is not None or self._said_scheme is not None or not self._said_authority:
                raise StreamError(stream_id, PROTOCOL_ERROR, "CONNECT is for an authority alone")
            raise RequestError(501, "CONNECT")
        if self._said_authority is None:
            raise StreamError(stream_id, PROTOCOL_ERROR, ":authority is missing")
        if protocol != b"websocket":
            raise RequestError(501, "unknown :protocol")  # RFC 9220, 3

    def _read_method(self, method: bytes) -> str:
        if not method or method.translate(None, TOKEN_BYTES):
            raise RequestError(400, "method is not a token")
        if self._limits.casefold_method:
            method = method.upper()
            if method == b"CONNECT":
                raise RequestError(501, "CONNECT")
        if method not in _USUAL_METHODS and not self._limits.permit_method:
            raise RequestError(501, "unknown method")
        return method.decode("ascii")

    def _read_target(self, stream_id: int, method: bytes, target: bytes) -> None:
        if not target:
            raise StreamError(stream_id, PROTOCOL_ERROR, ":path is empty")
        if target.translate(None, _TARGET_BYTES):
            raise RequestError(400, "request target has a character that must be percent-encoded")
        if target == b"*":
            if method != b"OPTIONS":
                raise RequestError(400, "asterisk-form is for OPTIONS only")
        elif target[0] != 0x2F:
            raise StreamError(stream_id, PROTOCOL_ERROR, ":path does not begin with a slash")
        end = target.find(b"?")
        raw_path = target if end < 0 else target[:end]
        self._path = decode_path(raw_path) if b"%" in raw_path else raw_path.decode("ascii")
        self._raw_path = raw_path
        self._query_string = b"" if end < 0 else target[end + 1 :]
        self._target = target

    def _read_authority(self, stream_id: int, head: RequestHead, host: bytes | None) -> None:
        """Put the authority in front, as ASGI has it, and in the place of Host (RFC 9113, 8.3.1)."""
        authority = self._said_authority
        if authority is None:
            if host is None:
                raise RequestError(400, "neither :authority nor host")
            authority = host
        elif host is not None and host != authority and host.lower() != authority.lower():
            raise StreamError(stream_id, PROTOCOL_ERROR, "host does not match :authority")
        if authority is not self._authority:
            # RFC 9110, 4.2.4: no userinfo; "@" is in no host.
            if not is_host(authority):
                raise RequestError(400, "invalid host")
            self._authority = authority
            self._host_field = (b"host", authority)
        head.host = authority
        head.headers.insert(0, self._host_field)

    def _read_fields(
        self, stream_id: int, head: RequestHead, fields: list[tuple[bytes, bytes]], start: int
    ) -> bytes | None:
        """Read the fields after the pseudo-fields; return Host, which does not become a header here."""
        headers: list[tuple[bytes, bytes]] = []
        host: bytes | None = None
        crumbs: list[bytes] | None = None
        cookie_at = -1
        seen = 0
        max_bytes = self._max_field_bytes - _FIELD_OVERHEAD
        if len(fields) - start > self._max_fields:
            raise RequestError(431, "too many fields")
        for i in range(start, len(fields)):
            field = fields[i]
            name, value = field
            if len(name) + len(value) > max_bytes:
                raise RequestError(431, "field is too long")
            kind = _KINDS.get(name, -1)
            if kind == _PLAIN:
                headers.append(field)
                continue
            if kind < 0:
                if name[0] == _COLON:
                    raise StreamError(stream_id, PROTOCOL_ERROR, "pseudo-header field after a regular field")
                if b"_" in name:
                    head.has_underscore_name = True
            elif kind >= _SINGLE:
                bit = 1 << kind
                if seen & bit:
                    raise RequestError(400, "more than one " + name.decode("ascii"))
                seen |= bit
                if kind == _HOST:
                    host = value
                    continue
                if kind == _CONTENT_LENGTH:
                    head.content_length = read_content_length(value)
            elif kind == _COOKIE:
                # RFC 9113, 8.2.3: crumbs, which an app knows as one field.
                if cookie_at >= 0:
                    if crumbs is None:
                        crumbs = [headers[cookie_at][1]]
                    crumbs.append(value)
                    continue
                cookie_at = len(headers)
            elif kind == _TE:
                if value.lower() != b"trailers":
                    raise StreamError(stream_id, PROTOCOL_ERROR, "te is not trailers")  # RFC 9113, 8.2.2
                head.accepts_trailers = True
            elif kind == _PRIORITY:
                self.priority = value
            elif kind == _EXPECT:
                check_expect(value)
                head.expects_continue = True
            else:
                raise StreamError(stream_id, PROTOCOL_ERROR, "connection-specific field")
            headers.append(field)
        if crumbs is not None:
            headers[cookie_at] = (b"cookie", b"; ".join(crumbs))
        head.headers = headers
        return host


def check_trailers(stream_id: int, fields: list[tuple[bytes, bytes]], flaw: str) -> None:
    """Raise StreamError for fields that must not come after a body (RFC 9113, 8.1; RFC 9110, 6.5.1)."""
    if flaw:
        raise StreamError(stream_id, PROTOCOL_ERROR, flaw)
    for name, _ in fields:
        if name[0] == _COLON:
            raise StreamError(stream_id, PROTOCOL_ERROR, "pseudo-header field in trailers")
        if name in FORBIDDEN_TRAILERS:
            raise StreamError(stream_id, PROTOCOL_ERROR, "forbidden trailer field")
