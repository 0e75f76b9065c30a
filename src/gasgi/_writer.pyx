# cython: language_level=3
"""Encode HTTP/1.1 response heads and chunks. Twin of _writer_py.py, which has the contract."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.string cimport memcmp, memcpy

from gasgi.answer_length cimport content_length_of

from gasgi.errors import ASGIMisuse
from gasgi.tables import STATUS_PHRASES, TOKEN_BYTES

cdef enum:
    STACK_BYTES = 2048  # a usual head fits, so that no allocation is needed

# What each byte of a field name becomes: its lower case, or 0 when RFC 9110, 5.6.2 does not allow it in a token.
cdef unsigned char[256] NAME_BYTE
# 1 for each byte that RFC 9110, 5.5 does not allow in a field value: controls other than HTAB.
cdef unsigned char[256] BAD_IN_VALUE

cdef int _byte
for _byte in range(256):
    NAME_BYTE[_byte] = 0
    BAD_IN_VALUE[_byte] = 1 if (_byte < 32 and _byte != 9) or _byte == 127 else 0
for _byte in TOKEN_BYTES:
    NAME_BYTE[_byte] = _byte + 32 if c"A" <= _byte <= c"Z" else _byte

cdef dict STATUS_LINES = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, phrase) for status, phrase in STATUS_PHRASES.items()
}


cdef struct Buffer:
    char* data
    Py_ssize_t size
    Py_ssize_t capacity
    char[STACK_BYTES] stack


cdef int reserve(Buffer* buffer, Py_ssize_t more) except -1:
    """Make room for ``more`` bytes after the data."""
    cdef Py_ssize_t capacity
    cdef char* data
    if buffer.size + more <= buffer.capacity:
        return 0
    capacity = max(buffer.size + more, buffer.capacity * 2)
    if buffer.data == buffer.stack:
        data = <char*>PyMem_Malloc(capacity)
        if data != NULL:
            memcpy(data, buffer.data, buffer.size)
    else:
        data = <char*>PyMem_Realloc(buffer.data, capacity)
    if data == NULL:
        raise MemoryError()
    buffer.data = data
    buffer.capacity = capacity
    return 0


cdef int append(Buffer* buffer, bytes data) except -1:
    cdef Py_ssize_t size = len(data)  # here and below: unlike PyBytes_GET_SIZE it refuses None, which a bytes may be
    reserve(buffer, size)
    memcpy(buffer.data + buffer.size, PyBytes_AS_STRING(data), size)
    buffer.size += size
    return 0


cdef bint has_close(bytes value):
    for option in value.split(b","):
        if option.strip(b" \t").lower() == b"close":
            return True
    return False


@cython.final
cdef class _Fields:
    """What the fields of one head said about the message."""
    cdef long long length
    cdef bint closes
    cdef bint has_server
    cdef bint has_date


cdef int put_field(Buffer* buffer, name, value, _Fields fields, bint has_no_length) except -1:
    cdef const unsigned char* source
    cdef unsigned char* target
    cdef unsigned char byte
    cdef Py_ssize_t name_size, value_size, i
    cdef unsigned char bad = 0
    cdef long long length
    if not PyBytes_CheckExact(name) or not PyBytes_CheckExact(value):
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise ASGIMisuse(f"header names and values must be bytes, not {name!r}: {value!r}")
        name, value = bytes(name), bytes(value)
    name_size = PyBytes_GET_SIZE(name)
    value_size = PyBytes_GET_SIZE(value)
    reserve(buffer, name_size + value_size + 4)
    target = <unsigned char*>buffer.data + buffer.size

    # Written beyond ``size`` and counted only at the end: a field that is left out or refused leaves no trace.
    source = <const unsigned char*>PyBytes_AS_STRING(name)
    for i in range(name_size):
        byte = NAME_BYTE[source[i]]
        bad |= byte == 0
        target[i] = byte
    if bad or name_size == 0:
        raise ASGIMisuse(f"invalid header name {name!r}")
    source = <const unsigned char*>PyBytes_AS_STRING(value)
    for i in range(value_size):
        bad |= BAD_IN_VALUE[source[i]]
    if bad:
        raise ASGIMisuse(f"control character in the value of header {name!r}")

    if name_size == 4 and memcmp(target, b"date", 4) == 0:
        fields.has_date = True
    elif name_size == 6 and memcmp(target, b"server", 6) == 0:
        fields.has_server = True
    elif name_size == 10 and memcmp(target, b"connection", 10) == 0:
        fields.closes = fields.closes or has_close(value)
        return 0
    elif name_size == 14 and memcmp(target, b"content-length", 14) == 0:
        length = content_length_of(value)
        if fields.length >= 0:
            if fields.length != length:
                raise ASGIMisuse(f"content-length given twice: {fields.length} and {length}")
            return 0
        fields.length = length
        if has_no_length:
            return 0
    elif name_size == 17 and memcmp(target, b"transfer-encoding", 17) == 0:
        return 0

    target += name_size
    target[0] = c":"
    target[1] = c" "
    memcpy(target + 2, source, value_size)
    target[value_size + 2] = c"\r"
    target[value_size + 3] = c"\n"
    buffer.size += name_size + value_size + 4
    return 0


cpdef tuple encode_response_head(int status, headers, bytes server_field, bytes date_field):
    cdef Buffer buffer
    cdef _Fields fields = _Fields.__new__(_Fields)
    cdef bint has_no_length = status < 200 or status == 204 or status == 205
    cdef object line = STATUS_LINES.get(status)
    if line is None:
        if not 100 <= status <= 999:
            raise ASGIMisuse(f"status must be a number from 100 to 999, not {status}")
        line = b"HTTP/1.1 %d \r\n" % status
    fields.length = -1
    buffer.data = buffer.stack
    buffer.size = 0
    buffer.capacity = STACK_BYTES
    try:
        append(&buffer, line)
        for field in headers:
            if (type(field) is tuple or type(field) is list) and len(field) == 2:
                put_field(&buffer, field[0], field[1], fields, has_no_length)
            else:
                name, value = pair_of(field)
                put_field(&buffer, name, value, fields, has_no_length)
        if not fields.has_server:
            append(&buffer, server_field)
        if not fields.has_date:
            append(&buffer, date_field)
        return PyBytes_FromStringAndSize(buffer.data, buffer.size), fields.length, fields.closes
    finally:
        if buffer.data != buffer.stack:
            PyMem_Free(buffer.data)


cdef tuple pair_of(field):
    try:
        name, value = field
    except (TypeError, ValueError):
        raise ASGIMisuse(f"a header must be a pair of name and value, not {field!r}") from None
    return name, value


cpdef bytes join_message(bytes head, bytes lines, bytes body):
    cdef Py_ssize_t head_size = len(head)
    cdef Py_ssize_t lines_size = len(lines)
    cdef Py_ssize_t body_size = len(body)
    cdef bytes message = PyBytes_FromStringAndSize(NULL, head_size + lines_size + 2 + body_size)
    cdef char* target = PyBytes_AS_STRING(message)
    memcpy(target, PyBytes_AS_STRING(head), head_size)
    target += head_size
    memcpy(target, PyBytes_AS_STRING(lines), lines_size)
    target += lines_size
    target[0] = c"\r"
    target[1] = c"\n"
    memcpy(target + 2, PyBytes_AS_STRING(body), body_size)
    return message


cpdef bytes encode_chunk(bytes body):
    cdef Py_ssize_t size = len(body)
    cdef Py_ssize_t rest = size, digits = 0, i
    cdef bytes chunk
    cdef char* target
    if size == 0:
        return b""
    while rest:
        rest >>= 4
        digits += 1
    chunk = PyBytes_FromStringAndSize(NULL, digits + size + 4)
    target = PyBytes_AS_STRING(chunk)
    rest = size
    for i in range(digits - 1, -1, -1):
        target[i] = b"0123456789abcdef"[rest & 15]
        rest >>= 4
    target += digits
    target[0] = c"\r"
    target[1] = c"\n"
    memcpy(target + 2, PyBytes_AS_STRING(body), size)
    target[size + 2] = c"\r"
    target[size + 3] = c"\n"
    return chunk
