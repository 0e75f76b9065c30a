"""Read HTTP/1.x request heads: find the end, hold the limits, validate, extract. Twin of _parser.pyx, same errors.

Bytes in, values out: no I/O and no ASGI rules. httptools (llhttp, strict) validates the fields of a whole head in one
call and never sees a body: it does not say where one ends, and it would read what follows an upgrade as a request.
"""

from __future__ import annotations

from typing import cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gasgi.errors import RequestError
from gasgi.head_rules import (
    FieldKind,
    HeadLimits,
    check_expect,
    check_transfer_encoding,
    decode_path,
    is_host,
    known_fields,
    list_members,
    read_content_length,
    read_request_line,
    replace_host,
)
from gasgi.tables import METHODS, TOKEN_BYTES

__all__ = ["FieldReader", "HeadLimits", "HeadParser", "RequestHead"]

_FIELDS = known_fields()
# CONNECT is refused by read_request_line, and not every llhttp knows QUERY: both take the long way.
_USUAL_METHODS = {method.encode(): method for method in METHODS if method not in ("CONNECT", "QUERY")}
_VISIBLE = bytes(range(0x21, 0x7F)).replace(b"#", b"")
_CR = 13


class RequestHead:
    """One request head; made by HeadParser only."""

    method: str
    target: bytes
    path: str
    raw_path: bytes
    query_string: bytes
    http_version: str
    headers: list[tuple[bytes, bytes]]

    # What most heads have in common need not be set for each.
    host = b""
    content_length = -1
    is_chunked = False
    keep_alive = True
    upgrade = b""
    expects_continue = False
    accepts_trailers = False
    has_underscore_name = False


class _FieldSink:
    """What llhttp calls for each field. The first refusal is kept, not raised: llhttp would wrap it.

    Apart from FieldReader, so that it and llhttp's parser do not refer to each other in a cycle.
    """

    __slots__ = (
        "count",
        "error",
        "has_close",
        "has_keep_alive",
        "has_upgrade",
        "head",
        "is_unusual",
        "known_host",
        "seen",
        "upgrade",
    )

    def __init__(self) -> None:
        # What the latest request said, and most say again.
        self.known_host: bytes | None = None

    def begin(self, head: RequestHead) -> None:
        self.head: RequestHead | None = head
        self.count = 0
        self.seen = 0
        self.error: RequestError | None = None
        self.has_close = False
        self.has_keep_alive = False
        self.has_upgrade = False
        # llhttp may now think that the connection ends or changes protocol.
        self.is_unusual = False
        self.upgrade = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        head: RequestHead = self.head  # type: ignore[assignment]  # called between ``begin`` and the end of the head
        self.count += 1
        known = _FIELDS.get(name)
        if known is None:
            lower = name.lower()
            known = _FIELDS.get(lower)
            if known is None:
                known = (lower, FieldKind.PLAIN)
                if b"_" in lower:
                    head.has_underscore_name = True
        if value[-1:] in (b" ", b"\t"):
            # RFC 9112, 5: OWS around the value is no part of it. llhttp strips the leading blanks only.
            value = value.rstrip(b" \t")
        lower, kind = known
        head.headers.append((lower, value))
        if kind != FieldKind.PLAIN and self.error is None:
            try:
                self._read_special(head, kind, lower, value)
            except RequestError as exc:
                self.error = exc

    def take_error(self) -> RequestError | None:
        # Kept here it would be a cycle: its traceback refers to this sink.
        error, self.error = self.error, None
        return error

    def _read_special(self, head: RequestHead, kind: int, name: bytes, value: bytes) -> None:
        if kind <= FieldKind.TRANSFER_ENCODING or kind >= FieldKind.SINGLE:
            bit = 1 << kind
            if self.seen & bit:
                raise RequestError(400, f"more than one {name.decode('ascii')}")
            self.seen |= bit
            if kind == FieldKind.HOST:
                if value != self.known_host:
                    if not is_host(value):
                        raise RequestError(400, "invalid host")
                    self.known_host = value
                head.host = value
            elif kind == FieldKind.CONTENT_LENGTH:
                head.content_length = read_content_length(value)
            elif kind == FieldKind.TRANSFER_ENCODING:
                check_transfer_encoding(value)
                head.is_chunked = True
        elif kind == FieldKind.CONNECTION:
            members = list_members(value)
            self.has_close = self.has_close or b"close" in members
            self.has_keep_alive = self.has_keep_alive or b"keep-alive" in members
            self.has_upgrade = self.has_upgrade or b"upgrade" in members
            self.is_unusual = self.is_unusual or members != [b"keep-alive"]
        elif kind == FieldKind.UPGRADE:
            products = list_members(value)
            self.upgrade = self.upgrade or (products[0] if products else b"")
            self.is_unusual = True
        elif kind == FieldKind.EXPECT:
            check_expect(value)
            head.expects_continue = True
        elif kind == FieldKind.PROXY_CONNECTION:
            # It means nothing (RFC 9112, C.2.2), but llhttp obeys it.
            self.is_unusual = True
        elif any(member.partition(b";")[0].rstrip(b" \t") == b"trailers" for member in list_members(value)):
            head.accepts_trailers = True


class FieldReader:
    """Reads the fields of whole heads, which llhttp validates; nothing is left of one head when it is read.

    So one serves all connections of a worker: it would be a quarter of the memory of an idle one.
    """

    __slots__ = ("_is_stale", "_llhttp", "_sink")

    def __init__(self) -> None:
        self._sink = _FieldSink()
        self._llhttp = HttpRequestParser(self._sink)
        # llhttp waits for a body, has closed or has refused: it must start anew before the next head.
        self._is_stale = False

    def read(self, head: RequestHead, raw: bytes, field_count: int) -> None:
        """Have llhttp validate the whole head ``raw`` and report its fields, then judge them together."""
        sink = self._sink
        if self._is_stale:
            # Cheaper than a new parser.
            self._llhttp.__init__(sink)  # type: ignore[misc]  # re-initialising is the point
        self._is_stale = True
        sink.begin(head)
        try:
            self._llhttp.feed_data(raw)
        except HttpParserUpgrade:
            # Whether an upgrade is taken is for the connection to say; llhttp is told nothing of it.
            pass
        except HttpParserCallbackError:
            raise
        except HttpParserError as exc:
            # Of two faults the one that says more than that this is no HTTP.
            error = sink.take_error()
            raise RequestError(400, str(exc)) if error is None or error.status == 400 else error from None
        finally:
            sink.head = None
        if sink.error is not None:
            raise cast(RequestError, sink.take_error())
        if sink.count != field_count:
            # llhttp saw other lines than were counted here, so one of the two was misled.
            raise RequestError(400, "ambiguous field lines")
        if head.is_chunked and head.content_length >= 0:
            # RFC 9112, 6.3: a smuggling attempt, so refuse instead of choosing. llhttp refuses it first.
            raise RequestError(400, "both content-length and transfer-encoding")
        if head.http_version == "1.0":
            if head.is_chunked:
                # RFC 9112, 6.1: a faulty message; the hop before may have framed it otherwise.
                raise RequestError(400, "transfer-encoding in HTTP/1.0")
            head.keep_alive = sink.has_keep_alive and not sink.has_close
            # RFC 9110, 10.1.1 and 7.8: HTTP/1.0 expects nothing and changes to nothing.
            head.expects_continue = False
        else:
            if not head.host:
                # RFC 9112, 3.2.
                raise RequestError(400, "host is missing")
            head.keep_alive = not sink.has_close
            if sink.has_upgrade:
                head.upgrade = sink.upgrade
        self._is_stale = sink.is_unusual or head.is_chunked or head.content_length > 0 or not head.keep_alive


class HeadParser:
    """Turn the bytes of one connection into request heads, one after the other."""

    __slots__ = (
        "_authority",
        "_buffer",
        "_field_count",
        "_fields",
        "_fields_start",
        "_has_begun",
        "_has_skipped_crlf",
        "_head",
        "_head_start",
        "_held",
        "_held_start",
        "_is_substituted",
        "_limits",
        "_line_start",
        "_position",
    )

    def __init__(self, limits: HeadLimits, fields: FieldReader | None = None) -> None:
        # Fixed for the connection
        self._limits = limits
        self._fields = FieldReader() if fields is None else fields
        # Bytes after the last head: an offset instead of a slice, or a pipelined burst would be copied once a head
        self._held = b""
        self._held_start = 0
        # The unfinished head, kept between feeds with what is known of it, so that no byte is looked at twice
        self._buffer = bytearray()
        self._head: RequestHead | None = None
        self._authority: bytes | None = None
        self._is_substituted = False
        self._has_begun = False
        self._has_skipped_crlf = False
        self._head_start = 0
        self._fields_start = 0
        self._line_start = 0
        self._position = 0
        self._field_count = -1

    @property
    def is_partial(self) -> bool:
        """Say whether some bytes of an unfinished head are held."""
        return len(self._buffer) > 0

    def feed(self, data: bytes) -> RequestHead | None:
        """Read on in what was not taken, then in ``data``; return the head when its end is here.

        Raise RequestError once, then never feed again. ``feed(b"")`` reads a pipelined head out of the bytes held.
        """
        if self._buffer:
            self._buffer += data
            end = self._scan(self._buffer)
            if end < 0:
                self._rebase()
                return None
            raw = bytes(self._buffer[self._head_start : end])
            self._held = bytes(self._buffer[end:])
            self._held_start = 0
            self._buffer = bytearray()
            return self._finish(raw)
        start = 0
        if self._held:
            if data:
                data = self._held[self._held_start :] + data
            else:
                data = self._held
                start = self._held_start
            self._held = b""
        if start == len(data):
            return None
        self._head_start = self._line_start = self._position = start
        end = self._scan_whole(data)
        if end < 0:
            end = self._scan(data)
        if end < 0:
            self._buffer += data
            self._rebase()
            return None
        if end < len(data):
            self._held = data
            self._held_start = end
        # Slicing all of a bytes object gives that very object.
        return self._finish(data[self._head_start : end])

    def take_leftover(self) -> bytes:
        """Return the bytes after the last head and forget them."""
        leftover = self._held[self._held_start :]
        self._held = b""
        self._held_start = 0
        return leftover

    def _rebase(self) -> None:
        """Drop what lies before the unfinished head from the buffer."""
        start = self._head_start
        if start:
            del self._buffer[:start]
            self._head_start = 0
            self._fields_start -= start
            self._line_start -= start
            self._position -= start

    def _scan_whole(self, source: bytes) -> int:
        """Return the position after a head that is whole and below every limit; -1 when ``_scan`` must judge."""
        start = self._head_start
        limits = self._limits
        end = source.find(b"\r\n\r\n", start, start + limits.unlooked_bytes) + 4
        if end < 4 or source[start] not in TOKEN_BYTES:
            return -1
        lines = source.count(b"\n", start, end)
        if lines - 2 > limits.fields or lines != source.count(b"\r\n", start, end):
            return -1
        line_end = source.index(b"\r\n", start)
        self._read_first_line(source[start:line_end])
        self._fields_start = line_end + 2
        self._field_count = lines - 2
        return end

    def _scan(self, source: bytes | bytearray) -> int:
        """Return the position after the head, -1 when it is not here yet. Read the first line once it is whole."""
        if not self._has_begun and not self._begin(source):
            return -1
        limits = self._limits
        while True:
            line_start = self._line_start
            line_end = source.find(b"\n", self._position)
            found = line_end if line_end >= 0 else len(source)
            # The CR counts while it is not known to be one: the same answer wherever the bytes were split.
            length = found - line_start
            if self._field_count < 0:
                if length > limits.line + 1:
                    raise RequestError(414, "request line is too long")
            elif length >= limits.field_bytes:
                raise RequestError(431, "field is too long")
            if found - self._head_start > limits.head_bytes:
                raise RequestError(431, "head is too long")
            if line_end < 0:
                self._position = found
                return -1
            # RFC 9112, 2.2 lets a server take a bare LF. A proxy in front may not have taken it for a line's end.
            if length == 0 or source[line_end - 1] != _CR:
                raise RequestError(400, "line ends with a bare LF")
            self._line_start = self._position = line_end + 1
            if self._field_count < 0:
                self._read_first_line(bytes(source[line_start : line_end - 1]))
                self._fields_start = line_end + 1
                self._field_count = 0
            elif length == 1:
                return line_end + 1
            else:
                self._field_count += 1
                if self._field_count > limits.fields:
                    raise RequestError(431, "too many fields")

    def _begin(self, source: bytes | bytearray) -> bool:
        """Skip one empty line; return whether the first byte of the request line is here, and can be one."""
        start = self._head_start
        if source[start] == _CR and not self._has_skipped_crlf:
            # RFC 9112, 2.2: a CRLF too many after an earlier body is ignored. One is, more are not.
            if len(source) == start + 1:
                return False
            if source[start + 1] != 10:
                raise RequestError(400, "bare CR before the request line")
            self._has_skipped_crlf = True
            start += 2
            self._head_start = self._line_start = self._position = start
            if len(source) == start:
                return False
        # Something else than HTTP, TLS for example, is refused at its first byte.
        if source[start] not in TOKEN_BYTES:
            raise RequestError(400, "request line does not start with a method")
        self._has_begun = True
        return True

    def _read_first_line(self, line: bytes) -> None:
        head = self._head = RequestHead()
        head.headers = []
        self._authority = None
        parts = line.split(b" ")
        if len(parts) == 3:
            method = _USUAL_METHODS.get(parts[0])
            target = parts[1]
            version = parts[2]
            if (
                method is not None
                and (version == b"HTTP/1.1" or version == b"HTTP/1.0")
                and target[:1] == b"/"
                and not target.translate(None, _VISIBLE)
            ):
                self._is_substituted = False
                head.method = method
                head.target = target
                head.raw_path, _, head.query_string = target.partition(b"?")
                head.path = decode_path(head.raw_path) if b"%" in head.raw_path else head.raw_path.decode("ascii")
                head.http_version = "1.1" if version == b"HTTP/1.1" else "1.0"
                return
        self._is_substituted = True
        unusual = read_request_line(line, self._limits)
        head.method = unusual.method
        head.target = unusual.target
        head.raw_path = unusual.raw_path
        head.query_string = unusual.query_string
        head.path = decode_path(unusual.raw_path)
        head.http_version = "1.0" if unusual.is_http_10 else "1.1"
        self._authority = unusual.authority

    def _finish(self, raw: bytes) -> RequestHead:
        """Have the fields of the whole head ``raw`` read and judged."""
        head: RequestHead = self._head  # type: ignore[assignment]  # its first line has been read
        field_count = self._field_count
        if self._is_substituted:
            # llhttp knows fewer methods, versions and targets than are allowed here; it validates the fields only.
            raw = b"GET / HTTP/1.1\r\n" + raw[self._fields_start - self._head_start :]
        self._head = None
        self._has_begun = self._has_skipped_crlf = False
        self._field_count = -1
        self._fields.read(head, raw, field_count)
        if self._authority is not None:
            # RFC 9112, 3.2.2: the authority of an absolute target replaces what Host says.
            head.host = self._authority
            head.headers = replace_host(head.headers, self._authority)
        return head
