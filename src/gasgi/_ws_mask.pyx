# cython: language_level=3
"""Unmask, put messages together, encode frames. Twin of _ws_mask_py.py, which has the contract."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject** string, Py_ssize_t size) except -1
    PyObject* raw_bytes "PyBytes_FromStringAndSize"(const char* source, Py_ssize_t size) except NULL
    char* raw_data "PyBytes_AS_STRING"(PyObject* string)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_DATA(object text)
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_KIND(object text)

cdef enum:
    # What a frame may reserve before its bytes arrive: a length alone must not buy memory.
    RESERVE_BYTES = 1024 * 1024

cdef uint64_t HIGH_BITS = 0x8080808080808080U


cdef inline uint64_t xor_into(uint8_t* target, const uint8_t* source, Py_ssize_t size, uint32_t key) noexcept nogil:
    """XOR eight bytes at a time; returns the OR of the results, whose high bits tell whether all is ASCII."""
    cdef uint64_t wide = 0, word = 0, seen = 0
    cdef uint8_t keys[8]
    cdef Py_ssize_t i = 0
    memcpy(keys, &key, 4)
    memcpy(keys + 4, &key, 4)
    memcpy(&wide, keys, 8)
    while i + 8 <= size:
        memcpy(&word, source + i, 8)
        word ^= wide
        seen |= word
        memcpy(target + i, &word, 8)
        i += 8
    while i < size:
        target[i] = source[i] ^ keys[i & 7]
        seen |= target[i]
        i += 1
    return seen


cdef inline int check_range(bytes data, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t before) except -1:
    if data is None:
        raise TypeError("data must be bytes")
    if not before <= start <= stop <= PyBytes_GET_SIZE(data):
        raise ValueError("range outside the data")
    return 0


cdef inline uint32_t load_key(const uint8_t* source) noexcept nogil:
    cdef uint32_t key = 0
    memcpy(&key, source, 4)
    return key


cdef inline bytes new_bytes(Py_ssize_t size):
    return PyBytes_FromStringAndSize(NULL, size)


def apply_mask(bytes data not None, bytes key not None):
    if PyBytes_GET_SIZE(key) != 4:
        raise ValueError("a masking key has four bytes")
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    if size == 0:
        return b""
    cdef bytes result = new_bytes(size)
    xor_into(<uint8_t*>PyBytes_AS_STRING(result), <uint8_t*>PyBytes_AS_STRING(data), size,
             load_key(<uint8_t*>PyBytes_AS_STRING(key)))
    return result


def unmask(bytes data, Py_ssize_t start, Py_ssize_t stop):
    check_range(data, start, stop, 4)
    if start == stop:
        return b""
    cdef const uint8_t* source = <uint8_t*>PyBytes_AS_STRING(data) + start
    cdef bytes result = new_bytes(stop - start)
    xor_into(<uint8_t*>PyBytes_AS_STRING(result), source, stop - start, load_key(source - 4))
    return result


def unmask_text(bytes data, Py_ssize_t start, Py_ssize_t stop):
    check_range(data, start, stop, 4)
    cdef const uint8_t* source = <uint8_t*>PyBytes_AS_STRING(data) + start
    cdef Py_ssize_t size = stop - start
    cdef uint8_t small[8]
    if size <= 1:  # CPython shares the texts of no and of one character
        xor_into(small, source, size, load_key(source - 4))
        return PyUnicode_DecodeUTF8(<char*>small, size, NULL)
    # Straight into a new string: right for ASCII; anything else is decoded from there.
    cdef object text = PyUnicode_New(size, 127)
    cdef uint8_t* target = <uint8_t*>PyUnicode_DATA(text)
    if not xor_into(target, source, size, load_key(source - 4)) & HIGH_BITS:
        return text
    return PyUnicode_DecodeUTF8(<char*>target, size, NULL)


cpdef Py_ssize_t held_bytes(payload) except -1:
    if isinstance(payload, str):
        return PyUnicode_GET_LENGTH(payload) * PyUnicode_KIND(payload)
    return PyBytes_GET_SIZE(<bytes?>payload)


cdef Py_ssize_t write_header(uint8_t* target, uint8_t first_byte, Py_ssize_t length) noexcept nogil:
    cdef int i
    target[0] = first_byte
    if length < 126:
        target[1] = <uint8_t>length
        return 2
    if length < 65536:
        target[1] = 126
        target[2] = <uint8_t>(length >> 8)
        target[3] = <uint8_t>(length & 255)
        return 4
    target[1] = 127
    for i in range(8):
        target[2 + i] = <uint8_t>((<uint64_t>length >> (56 - 8 * i)) & 255)
    return 10


def encode_frame(uint8_t first_byte, payload not None):
    cdef const char* source
    cdef Py_ssize_t size
    cdef bytes body
    if isinstance(payload, str):
        if PyUnicode_IS_ASCII(payload):
            source = <char*>PyUnicode_DATA(payload)
            size = PyUnicode_GET_LENGTH(payload)
        else:
            body = (<str>payload).encode()
            source = PyBytes_AS_STRING(body)
            size = PyBytes_GET_SIZE(body)
    else:
        body = payload
        source = PyBytes_AS_STRING(body)
        size = PyBytes_GET_SIZE(body)
    cdef uint8_t header[10]
    cdef Py_ssize_t header_size = write_header(header, first_byte, size)
    cdef bytes frame = new_bytes(header_size + size)
    memcpy(PyBytes_AS_STRING(frame), header, header_size)
    memcpy(PyBytes_AS_STRING(frame) + header_size, source, size)
    return frame


def encode_frame_header(uint8_t first_byte, Py_ssize_t length):
    cdef uint8_t header[10]
    cdef Py_ssize_t header_size = write_header(header, first_byte, length)
    return PyBytes_FromStringAndSize(<char*>header, header_size)


cdef Py_ssize_t find_text_end(const uint8_t* data, Py_ssize_t i, Py_ssize_t size) noexcept nogil:
    """The end of the last whole UTF-8 character (RFC 3629, 4) of data[i:size]; -1 once a byte cannot be right."""
    cdef uint64_t word = 0
    cdef uint8_t first, low, high
    cdef int more, n
    while i < size:
        while i + 8 <= size:
            memcpy(&word, data + i, 8)
            if word & HIGH_BITS:
                break
            i += 8
        if i >= size:
            break
        first = data[i]
        if first < 0x80:
            i += 1
            continue
        low = 0x80
        high = 0xBF
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            if first == 0xE0:
                low = 0xA0  # no overlong forms
            elif first == 0xED:
                high = 0x9F  # no surrogates
        elif 0xF0 <= first <= 0xF4:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F  # nothing above U+10FFFF
        else:
            return -1
        for n in range(1, more + 1):
            if i + n >= size:
                return i
            if not low <= data[i + n] <= high:
                return -1
            low = 0x80
            high = 0xBF
        i += more + 1
    return i


cdef class MessageBuffer:
    # A bytes object under construction that nobody else has seen, so that it can grow and be handed out without a copy.
    cdef PyObject* _payload
    cdef Py_ssize_t _size
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _checked
    cdef uint32_t _key
    cdef int _phase
    cdef bint _has_key

    def __dealloc__(self):
        Py_XDECREF(self._payload)

    @property
    def size(self):
        return self._size

    cdef int _reserve(self, Py_ssize_t capacity) except -1:
        if capacity <= self._capacity:
            return 0
        cdef Py_ssize_t size = self._size
        if self._payload is NULL:
            self._payload = raw_bytes(NULL, capacity)
        else:
            self._size = self._capacity = 0  # a failed resize frees the object and clears the pointer
            _PyBytes_Resize(&self._payload, capacity)
        self._size = size
        self._capacity = capacity
        return 0

    def start_frame(self, bytes data, Py_ssize_t start, Py_ssize_t length):
        check_range(data, start, start, 4)
        self._key = load_key(<uint8_t*>PyBytes_AS_STRING(data) + start - 4)
        self._has_key = True
        self._phase = 0
        if length > 0:
            if length > RESERVE_BYTES:
                length = RESERVE_BYTES
            # Exact for the first frame; double after that, so that many small frames stay linear.
            if self._size == 0:
                self._reserve(length)
            elif self._size + length > self._capacity:
                self._reserve(max(self._size + length, 2 * self._size))

    def append(self, bytes data, Py_ssize_t start, Py_ssize_t stop):
        check_range(data, start, stop, 0)
        if not self._has_key:
            raise ValueError("a masking key has four bytes")
        cdef Py_ssize_t size = stop - start
        cdef uint8_t keys[8]
        if size == 0:
            return
        if self._size + size > self._capacity:
            self._reserve(max(self._size + size, 2 * self._capacity))
        memcpy(keys, &self._key, 4)
        memcpy(keys + 4, &self._key, 4)
        xor_into(<uint8_t*>raw_data(self._payload) + self._size, <uint8_t*>PyBytes_AS_STRING(data) + start, size,
                 load_key(keys + self._phase))
        self._size += size
        self._phase = (self._phase + size) & 3

    def is_text(self, bint is_whole):
        if self._size == self._checked:
            return True
        cdef Py_ssize_t end = find_text_end(<uint8_t*>raw_data(self._payload), self._checked, self._size)
        if end < 0 or (is_whole and end < self._size):
            return False
        self._checked = end
        return True

    def take(self):
        if self._size == 0:
            self._forget()
            return b""
        cdef Py_ssize_t size = self._size
        if size != self._capacity:
            self._size = self._capacity = self._checked = 0
            _PyBytes_Resize(&self._payload, size)
        cdef object payload = <object>self._payload
        self._forget()
        return payload

    def take_text(self):
        if self._size == 0:
            self._forget()
            return ""
        try:
            return PyUnicode_DecodeUTF8(raw_data(self._payload), self._size, NULL)
        finally:
            self._forget()

    cdef _forget(self):
        cdef PyObject* payload = self._payload
        self._payload = NULL
        self._size = self._capacity = self._checked = 0
        Py_XDECREF(payload)
