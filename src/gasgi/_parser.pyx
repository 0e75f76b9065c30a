# cython: language_level=3
"""Read HTTP/1.x request heads: find the end, hold the limits, validate, extract. Twin of _parser_py.py, same errors.

The contract and the reasons are documented in the twin; what is rare is left to head_rules, which both call.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memchr, memcmp, memset

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gasgi.errors import RequestError
from gasgi.head_rules import (
    FieldKind,
    HeadLimits,
    check_expect,
    check_transfer_encoding,
    is_host,
    known_fields,
    list_members,
    read_content_length,
    read_request_line,
    replace_host,
)
from gasgi.tables import METHODS, TOKEN_BYTES

__all__ = ["FieldReader", "HeadLimits", "HeadParser", "RequestHead"]

cdef enum:
    CR = 13
    LF = 10
    SPACE = 32
    TAB = 9

cdef enum:
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

# What a byte may be, one bit each; indexed by a uint8_t, so every index is within the 256.
cdef enum:
    IN_TOKEN = 1
    IN_TARGET = 2
    IN_REG_NAME = 4
    IS_DIGIT = 8

cdef uint8_t CLASSES[256]
# What a byte of a field name becomes: its lower case, or 0 where RFC 9110, 5.6.2 does not allow it in a token.
cdef uint8_t LOWER[256]

cdef str HTTP_11 = "1.1"
cdef str HTTP_10 = "1.0"
cdef str GET = "GET"
cdef str POST = "POST"
cdef bytes NOTHING = b""
cdef bytes SUBSTITUTE_LINE = b"GET / HTTP/1.1\r\n"
cdef dict USUAL_METHODS = {method.encode(): method for method in METHODS if method not in ("CONNECT", "QUERY")}
# llhttp validates; what it would report is read here.
cdef object NO_CALLBACKS = object()

# A hash table of the known names: open addressing, a quarter full at most, so that a search soon meets an empty slot.
cdef enum:
    SLOTS = 512
cdef PyObject* KNOWN[SLOTS]
cdef list KNOWN_OWNERS = []


@cython.final
@cython.internal
cdef class _KnownField:
    cdef bytes lower
    cdef int kind

    def __cinit__(self, bytes lower, int kind):
        self.lower = lower
        self.kind = kind


cdef uint32_t hash_name(const uint8_t* name, Py_ssize_t size) noexcept nogil:
    """The same for each spelling (FNV-1a of the lower case)."""
    cdef uint32_t number = 2166136261
    cdef Py_ssize_t i
    for i in range(size):
        number = (number ^ LOWER[name[i]]) * 16777619
    return number


cdef _KnownField find_known(const uint8_t* name, Py_ssize_t size):
    """Return what is known of a field name in any spelling, or None."""
    cdef uint32_t slot = hash_name(name, size) % SLOTS
    cdef _KnownField known
    cdef Py_ssize_t i
    while KNOWN[slot] != NULL:
        known = <_KnownField>KNOWN[slot]
        if PyBytes_GET_SIZE(known.lower) == size:
            for i in range(size):
                if (<const uint8_t*>PyBytes_AS_STRING(known.lower))[i] != LOWER[name[i]]:
                    break
            else:
                return known
        slot = (slot + 1) % SLOTS
    return None


cdef add_known(_KnownField known):
    cdef const uint8_t* name = <const uint8_t*>PyBytes_AS_STRING(known.lower)
    cdef uint32_t slot = hash_name(name, PyBytes_GET_SIZE(known.lower)) % SLOTS
    while KNOWN[slot] != NULL:
        slot = (slot + 1) % SLOTS
    KNOWN[slot] = <PyObject*>known
    KNOWN_OWNERS.append(known)


cdef bytes lower_name(const uint8_t* name, Py_ssize_t size):
    cdef bytes lower = PyBytes_FromStringAndSize(NULL, size)
    cdef Py_ssize_t i
    for i in range(size):
        PyBytes_AS_STRING(lower)[i] = LOWER[name[i]]
    return lower


cdef Py_ssize_t end_of_name(const uint8_t* source, Py_ssize_t start) noexcept nogil:
    """Where the colon is after the field name at start; 0 without name or colon. A CR ends the search."""
    cdef Py_ssize_t position = start
    while LOWER[source[position]]:
        position += 1
    return position if position > start and source[position] == c":" else 0


cdef bytes part(bytes data, Py_ssize_t start, Py_ssize_t end):
    """Copy bytes; 0 <= start <= end <= len(data). A slice would make a slice object and two numbers first."""
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, end - start)


cdef bint is_field_value(const uint8_t* value, Py_ssize_t size) noexcept nogil:
    """Whether no byte is a control other than HTAB (RFC 9110, 5.5); branchless, so that many are seen at a time."""
    cdef Py_ssize_t i
    cdef uint8_t bad = 0
    for i in range(size):
        bad |= (value[i] < SPACE and value[i] != TAB) | (value[i] == 127)
    return bad == 0


cdef _fill_tables():
    cdef int i
    cdef bytes lower
    for i in range(256):
        CLASSES[i] = LOWER[i] = 0
    for i in TOKEN_BYTES:
        CLASSES[i] |= IN_TOKEN
    for i in range(0x21, 0x7F):
        if i != c"#":
            CLASSES[i] |= IN_TARGET
    for i in b"-._~!$&'()*+,;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        CLASSES[i] |= IN_REG_NAME
    for i in b"0123456789":
        CLASSES[i] |= IS_DIGIT
    for i in TOKEN_BYTES:
        LOWER[i] = i + 32 if c"A" <= i <= c"Z" else i
    for i in range(SLOTS):
        KNOWN[i] = NULL
    for lower, kind in known_fields().values():
        if kind > 63:
            raise ImportError("more single fields than bits")
        if find_known(<const uint8_t*>PyBytes_AS_STRING(lower), PyBytes_GET_SIZE(lower)) is None:
            add_known(_KnownField(lower, kind))
    if len(KNOWN_OWNERS) > SLOTS // 4:
        raise ImportError("more known fields than the table is made for")
    for name, value in (("HOST", HOST), ("CONTENT_LENGTH", CONTENT_LENGTH), ("TRANSFER_ENCODING", TRANSFER_ENCODING),
                        ("CONNECTION", CONNECTION), ("UPGRADE", UPGRADE), ("EXPECT", EXPECT), ("TE", TE),
                        ("PROXY_CONNECTION", PROXY_CONNECTION), ("SINGLE", SINGLE), ("PLAIN", PLAIN)):
        if getattr(FieldKind, name) != value:
            raise ImportError("FieldKind." + name + " differs from the compiled parser; build it again")


_fill_tables()


cdef int hex_value(uint8_t digit) noexcept nogil:
    if c"0" <= digit <= c"9":
        return digit - c"0"
    digit |= 0x20
    if c"a" <= digit <= c"f":
        return digit - c"a" + 10
    return -1


cdef str decode_escaped(const uint8_t* source, Py_ssize_t length):
    """Percent-decode, then decode UTF-8 with replacement; a stray % stays as it is."""
    cdef uint8_t* decoded = <uint8_t*>PyMem_Malloc(length)
    cdef Py_ssize_t i = 0, used = 0
    cdef int high, low
    if decoded == NULL:
        raise MemoryError()
    try:
        # Each turn reads at least as much as it writes, so used never passes length.
        while i < length:
            if source[i] == c"%" and i + 2 < length:
                high = hex_value(source[i + 1])
                low = hex_value(source[i + 2])
                if high >= 0 and low >= 0:
                    decoded[used] = <uint8_t>(high << 4 | low)
                    used += 1
                    i += 3
                    continue
            decoded[used] = source[i]
            used += 1
            i += 1
        return PyUnicode_DecodeUTF8(<char*>decoded, used, "replace")
    finally:
        PyMem_Free(decoded)


cdef bint is_plain_host(bytes value) noexcept:
    """Whether value is a reg-name without escapes and at most four digits of port; the rest is for is_host."""
    cdef const uint8_t* source = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(value), i = 0, port_start
    while i < length and CLASSES[source[i]] & IN_REG_NAME:
        i += 1
    if i == 0:
        return False
    if i == length:
        return True
    if source[i] != c":":
        return False
    port_start = i + 1
    if length - port_start > 4:
        return False
    for i in range(port_start, length):
        if not CLASSES[source[i]] & IS_DIGIT:
            return False
    return True


cdef int64_t plain_content_length(bytes value) noexcept:
    """The number when value is 1 to 18 digits, which always fit; -1 leaves the case to read_content_length."""
    cdef const uint8_t* source = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(value), i
    cdef int64_t number = 0
    if length == 0 or length > 18:
        return -1
    for i in range(length):
        if not CLASSES[source[i]] & IS_DIGIT:
            return -1
        number = number * 10 + (source[i] - c"0")
    return number


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class RequestHead:
    """One request head; made by HeadParser only. Its attributes are declared in the .pxd."""


@cython.final
cdef class FieldReader:
    """Reads the fields of whole heads and has llhttp validate them; nothing is left of one head when it is read.

    Its attributes are declared in the .pxd.
    """

    def __init__(self):
        self.llhttp = HttpRequestParser(NO_CALLBACKS)
        self.is_stale = False

    cdef int read(self, RequestHead head, bytes raw, Py_ssize_t start, Py_ssize_t field_count,
                  bint is_substituted) except -1:
        """Read the fields of the head ``raw``, which begin at ``start``, have llhttp validate it, then judge them."""
        cdef bint has_body
        self.take_apart(head, <const uint8_t*>PyBytes_AS_STRING(raw) + start, PyBytes_GET_SIZE(raw) - start - 2)
        has_body = head.is_chunked or head.content_length > 0
        if is_substituted:
            raw = SUBSTITUTE_LINE + raw[start:]
        elif head.content_length > 0 and not head.is_chunked:
            # llhttp would wait for the body, and starting it anew costs more than the rest of the head: it is told
            # that there is none. The digits have been read here, from within the fields, so they lie within the copy.
            raw = part(raw, 0, PyBytes_GET_SIZE(raw))
            memset(PyBytes_AS_STRING(raw) + start + self.length_start, c"0", self.length_end - self.length_start)
            has_body = False
        if self.is_stale:
            self.llhttp.__init__(NO_CALLBACKS)
        self.is_stale = True
        try:
            self.llhttp.feed_data(raw)
        except HttpParserUpgrade:
            pass
        except HttpParserError as exc:
            error = self.take_error()
            raise RequestError(400, str(exc)) if error is None or error.status == 400 else error from None
        if self.error is not None:
            raise self.take_error()
        if self.count != field_count:
            raise RequestError(400, "ambiguous field lines")
        self.judge(head)
        self.is_stale = self.is_unusual or has_body or not head.keep_alive
        return 0

    cdef int take_apart(self, RequestHead head, const uint8_t* source, Py_ssize_t size) except -1:
        """Take the lines apart, each of which ends with CRLF, as does the empty one after ``size``.

        Stops where llhttp will refuse the head, which is then the answer, and at the first RequestError, which is kept
        until llhttp has seen the head.
        """
        cdef list headers = []
        cdef _KnownField known
        cdef bytes name, value
        cdef Py_ssize_t start = 0, colon, first, last, following
        self.error = None
        self.upgrade = NOTHING
        self.seen = 0
        self.count = 0
        self.length_start = self.length_end = 0
        self.has_close = self.has_keep_alive = self.has_upgrade = self.is_unusual = False
        head.headers = headers
        while start < size:
            # scan found the line feed; the CR before it ends both loops below.
            following = <const uint8_t*>memchr(source + start, LF, size - start) - source + 1
            colon = end_of_name(source, start)
            if colon == 0 or source[following] == SPACE or source[following] == TAB:
                return 0
            first = colon + 1
            while source[first] == SPACE or source[first] == TAB:
                first += 1
            last = following - 2
            if not is_field_value(source + first, last - first):
                return 0
            while last > first and (source[last - 1] == SPACE or source[last - 1] == TAB):
                last -= 1
            self.count += 1
            value = PyBytes_FromStringAndSize(<const char*>source + first, last - first)
            known = find_known(source + start, colon - start)
            if known is None:
                name = lower_name(source + start, colon - start)
                if memchr(PyBytes_AS_STRING(name), c"_", colon - start) != NULL:
                    head.has_underscore_name = True
                headers.append((name, value))
            else:
                headers.append((known.lower, value))
                if known.kind != PLAIN:
                    if known.kind == CONTENT_LENGTH:
                        self.length_start = first
                        self.length_end = last
                    try:
                        self.read_special(head, known.kind, known.lower, value)
                    except RequestError as exc:
                        # What follows may make the head no head at all, which is the graver fault.
                        if following == size or end_of_name(source, following):
                            self.error = exc
                        return 0
            start = following
        return 0

    cdef take_error(self):
        error = self.error
        self.error = None
        return error

    cdef int read_special(self, RequestHead head, int kind, bytes name, bytes value) except -1:
        cdef uint64_t bit
        cdef int64_t number
        cdef list members
        if kind <= TRANSFER_ENCODING or kind >= SINGLE:
            # _fill_tables lets no kind above 63 in.
            bit = (<uint64_t>1) << kind
            if self.seen & bit:
                raise RequestError(400, "more than one " + name.decode("ascii"))
            self.seen |= bit
            if kind == HOST:
                if not is_plain_host(value) and not is_host(value):
                    raise RequestError(400, "invalid host")
                head.host = value
            elif kind == CONTENT_LENGTH:
                number = plain_content_length(value)
                head.content_length = read_content_length(value) if number < 0 else number
            elif kind == TRANSFER_ENCODING:
                # Before the coding is judged: the twin's llhttp stops at this name, and 400 must come before a 501.
                if head.content_length >= 0:
                    raise RequestError(400, "both content-length and transfer-encoding")
                if value != b"chunked":
                    check_transfer_encoding(value)
                head.is_chunked = True
        elif kind == CONNECTION:
            if value == b"keep-alive":
                self.has_keep_alive = True
                return 0
            if value == b"close":
                self.has_close = True
                return 0
            self.is_unusual = True
            members = list_members(value)
            if b"close" in members:
                self.has_close = True
            if b"keep-alive" in members:
                self.has_keep_alive = True
            if b"upgrade" in members:
                self.has_upgrade = True
        elif kind == UPGRADE:
            self.is_unusual = True
            members = list_members(value)
            if not self.upgrade and members:
                self.upgrade = members[0]
        elif kind == EXPECT:
            check_expect(value)
            head.expects_continue = True
        elif kind == PROXY_CONNECTION:
            self.is_unusual = True
        else:
            for member in list_members(value):
                if member.partition(b";")[0].rstrip(b" \t") == b"trailers":
                    head.accepts_trailers = True
        return 0

    cdef int judge(self, RequestHead head) except -1:
        """Apply the rules that need more than one field."""
        if head.is_chunked and head.content_length >= 0:
            raise RequestError(400, "both content-length and transfer-encoding")
        if head.http_version is HTTP_10:
            if head.is_chunked:
                raise RequestError(400, "transfer-encoding in HTTP/1.0")
            head.keep_alive = self.has_keep_alive and not self.has_close
            head.expects_continue = False
        else:
            if head.host is NOTHING:
                raise RequestError(400, "host is missing")
            head.keep_alive = not self.has_close
            if self.has_upgrade:
                head.upgrade = self.upgrade
        return 0


@cython.final
cdef class HeadParser:
    """Turn the bytes of one connection into request heads in turn. Its attributes are declared in the .pxd."""

    def __init__(self, limits not None, FieldReader fields=None):
        self.limits = limits
        self.line_max = limits.line
        self.fields_max = limits.fields
        self.field_bytes_max = limits.field_bytes
        self.head_bytes_max = limits.head_bytes
        self.fields = FieldReader() if fields is None else fields
        self.held = NOTHING
        self.held_start = 0
        self.buffer = None
        self.head = None
        self.authority = None
        self.has_begun = self.has_skipped_crlf = self.is_substituted = False
        self.head_start = self.fields_start = self.line_start = self.position = 0
        self.field_count = -1

    @property
    def is_partial(self):
        """Say whether some bytes of an unfinished head are held."""
        return self.buffer is not None

    cpdef RequestHead feed(self, bytes data):
        """Read on in what was not taken, then in ``data``; return the head when its end is here.

        Raise RequestError once, then never feed again. ``feed(b"")`` reads a pipelined head out of the bytes held.
        """
        cdef Py_ssize_t start = 0, end, size
        if data is None:
            raise TypeError("feed takes bytes, not None")
        if self.buffer is not None:
            return self.feed_buffer(data)
        if self.held is not NOTHING:
            if PyBytes_GET_SIZE(data):
                data = self.held[self.held_start:] + data
            else:
                data = self.held
                start = self.held_start
            self.held = NOTHING
            self.held_start = 0
        size = PyBytes_GET_SIZE(data)
        if start == size:
            return None
        self.head_start = self.line_start = self.position = start
        end = self.scan(<const uint8_t*>PyBytes_AS_STRING(data), size)
        if end < 0:
            self.hold_head(data, size)
            return None
        if end < size:
            self.held = data
            self.held_start = end
        if self.head_start == 0 and end == size:
            return self.finish(data)
        return self.finish(part(data, self.head_start, end))

    cpdef bytes take_leftover(self):
        """Return the bytes after the last head and forget them."""
        cdef bytes leftover
        if self.held is NOTHING:
            return NOTHING
        leftover = part(self.held, self.held_start, PyBytes_GET_SIZE(self.held))
        self.held = NOTHING
        self.held_start = 0
        return leftover

    cdef RequestHead feed_buffer(self, bytes data):
        cdef Py_ssize_t end, size
        cdef bytes raw
        self.buffer += data
        size = PyByteArray_GET_SIZE(self.buffer)
        # Nothing that scan calls can resize the buffer, so the pointer holds.
        end = self.scan(<const uint8_t*>PyByteArray_AS_STRING(self.buffer), size)
        if end < 0:
            self.rebase()
            return None
        raw = bytes(self.buffer[self.head_start:end])
        if end < size:
            self.held = bytes(self.buffer[end:])
            self.held_start = 0
        self.buffer = None
        return self.finish(raw)

    cdef int hold_head(self, bytes data, Py_ssize_t size) except -1:
        if self.head_start < size:
            self.buffer = bytearray(data)
            self.rebase()
        return 0

    cdef int rebase(self) except -1:
        """Drop what lies before the unfinished head from the buffer."""
        cdef Py_ssize_t start = self.head_start
        if start:
            del self.buffer[:start]
            self.head_start = 0
            self.fields_start -= start
            self.line_start -= start
            self.position -= start
            if not self.buffer:
                self.buffer = None
        return 0

    cdef Py_ssize_t scan(self, const uint8_t* source, Py_ssize_t size) except -2:
        """Return the position after the head, -1 when it is not here yet. Read the first line once it is whole."""
        cdef const uint8_t* line_feed
        cdef Py_ssize_t found, length
        if not self.has_begun and not self.begin(source, size):
            return -1
        while True:
            # position <= size always: it is size, or one after a line feed that lies before size.
            line_feed = <const uint8_t*>memchr(source + self.position, LF, size - self.position)
            found = size if line_feed == NULL else line_feed - source
            length = found - self.line_start
            if self.field_count < 0:
                if length > self.line_max + 1:
                    raise RequestError(414, "request line is too long")
            elif length >= self.field_bytes_max:
                raise RequestError(431, "field is too long")
            if found - self.head_start > self.head_bytes_max:
                raise RequestError(431, "head is too long")
            if line_feed == NULL:
                self.position = found
                return -1
            if length == 0 or source[found - 1] != CR:
                raise RequestError(400, "line ends with a bare LF")
            if self.field_count < 0:
                self.read_first_line(source + self.line_start, length - 1)
                self.fields_start = found + 1
                self.field_count = 0
            elif length == 1:
                return found + 1
            else:
                self.field_count += 1
                if self.field_count > self.fields_max:
                    raise RequestError(431, "too many fields")
            self.line_start = self.position = found + 1

    cdef int begin(self, const uint8_t* source, Py_ssize_t size) except -1:
        """Skip one empty line; return whether the first byte of the request line is here, and can be one."""
        cdef Py_ssize_t start = self.head_start
        # feed calls with at least one byte after head_start.
        if source[start] == CR and not self.has_skipped_crlf:
            if size == start + 1:
                return 0
            if source[start + 1] != LF:
                raise RequestError(400, "bare CR before the request line")
            self.has_skipped_crlf = True
            start += 2
            self.head_start = self.line_start = self.position = start
            if size == start:
                return 0
        if not CLASSES[source[start]] & IN_TOKEN:
            raise RequestError(400, "request line does not start with a method")
        self.has_begun = True
        return 1

    cdef int read_first_line(self, const uint8_t* line, Py_ssize_t length) except -1:
        cdef RequestHead head = RequestHead.__new__(RequestHead)
        cdef Py_ssize_t target_end = length - 9
        self.head = head
        head.host = NOTHING
        head.content_length = -1
        head.keep_alive = True
        head.is_chunked = head.expects_continue = head.accepts_trailers = head.has_underscore_name = False
        head.upgrade = NOTHING
        self.authority = None
        self.is_substituted = False
        # The shortest: a method of one letter, a blank and a target of one. Each look below lies within the length.
        if target_end >= 3 and memcmp(line + target_end, b" HTTP/1.", 8) == 0:
            if line[length - 1] == c"1":
                head.http_version = HTTP_11
                if self.read_usual_line(head, line, target_end):
                    return 0
            elif line[length - 1] == c"0":
                head.http_version = HTTP_10
                if self.read_usual_line(head, line, target_end):
                    return 0
        self.read_unusual_line(head, line[:length])
        return 0

    cdef int read_usual_line(self, RequestHead head, const uint8_t* line, Py_ssize_t target_end) except -1:
        """Read a known method and an origin-form target; return 0 where anything else is there."""
        cdef Py_ssize_t i, start, query = -1, path_end
        cdef bint has_escape = False
        cdef const uint8_t* blank
        cdef PyObject* method
        cdef bytes spelled
        if memcmp(line, b"GET", 3) == 0 and line[3] == SPACE:
            head.method = GET
            start = 4
        elif target_end > 5 and memcmp(line, b"POST ", 5) == 0:
            head.method = POST
            start = 5
        else:
            blank = <const uint8_t*>memchr(line, SPACE, target_end)
            if blank == NULL:
                return 0
            spelled = line[:blank - line]
            method = PyDict_GetItem(USUAL_METHODS, spelled)
            if method == NULL:
                return 0
            head.method = <str><object>method
            start = blank - line + 1
        if start >= target_end or line[start] != c"/":
            return 0
        for i in range(start, target_end):
            if not CLASSES[line[i]] & IN_TARGET:
                return 0
            if query < 0:
                if line[i] == c"?":
                    query = i
                elif line[i] == c"%":
                    has_escape = True
        head.target = PyBytes_FromStringAndSize(<const char*>line + start, target_end - start)
        if query < 0:
            path_end = target_end
            head.raw_path = head.target
            head.query_string = NOTHING
        else:
            path_end = query
            head.raw_path = PyBytes_FromStringAndSize(<const char*>line + start, query - start)
            head.query_string = PyBytes_FromStringAndSize(<const char*>line + query + 1, target_end - query - 1)
        if has_escape:
            head.path = decode_escaped(line + start, path_end - start)
        else:
            head.path = PyUnicode_DecodeASCII(<const char*>line + start, path_end - start, NULL)
        return 1

    cdef int read_unusual_line(self, RequestHead head, bytes line) except -1:
        method, target, raw_path, query_string, authority, is_http_10 = read_request_line(line, self.limits)
        self.is_substituted = True
        self.authority = authority
        head.method = method
        head.target = target
        head.raw_path = raw_path
        head.query_string = query_string
        head.path = decode_escaped(<const uint8_t*>PyBytes_AS_STRING(head.raw_path), PyBytes_GET_SIZE(head.raw_path))
        head.http_version = HTTP_10 if is_http_10 else HTTP_11
        return 0

    cdef RequestHead finish(self, bytes raw):
        """Have the fields of the whole head ``raw`` read and judged."""
        cdef RequestHead head = self.head
        cdef Py_ssize_t field_count = self.field_count, start = self.fields_start - self.head_start
        self.head = None
        self.has_begun = self.has_skipped_crlf = False
        self.field_count = -1
        self.fields.read(head, raw, start, field_count, self.is_substituted)
        if self.authority is not None:
            head.host = self.authority
            head.headers = replace_host(head.headers, self.authority)
        return head
