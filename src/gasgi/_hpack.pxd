"""What other compiled modules call without going through Python."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t, uint8_t

cdef enum:
    REMEMBERED = 64

cdef struct Entry:
    PyObject* field  # a tuple of name and value; owned
    uint32_t size
    uint32_t mark  # decoder: what is wrong with it; encoder: the size of the name

cdef struct Table:
    Entry* ring
    uint32_t capacity  # a power of two, or 0
    uint32_t newest
    uint32_t count
    uint32_t size
    uint32_t max_size

cdef struct Output:
    uint8_t* data
    Py_ssize_t size
    Py_ssize_t capacity
    uint8_t[1024] stack

@cython.final
cdef class HpackDecoder:
    cdef uint32_t _max_table_bytes
    cdef Py_ssize_t _max_list_bytes
    cdef Py_ssize_t _max_fields
    cdef Table _table
    cdef uint32_t _flaw

    cpdef list decode(self, bytes block)
    cdef Entry* _entry_at(self, uint32_t index) except NULL
    cdef tuple _read_literal(self, const uint8_t* source, Py_ssize_t size, Py_ssize_t* position, Entry* literal)

@cython.final
cdef class HpackEncoder:
    cdef Table _table
    cdef uint64_t[REMEMBERED] _seen
    cdef long long _smallest
    cdef bytes _date
    cdef bytes _date_literal

    cpdef set_max_table_bytes(self, size)
    cpdef bytes encode(self, int status, fields)
    cpdef bytes encode_trailers(self, fields)
    cdef int _put_updates(self, Output* output) except -1
    cdef int _put_fields(self, Output* output, fields) except -1
    cdef int _put_field(self, Output* output, bytes name, bytes value, object field) except -1
    cdef int _put_date(self, Output* output, bytes name, bytes value) except -1
    cdef bint _was_seen(self, const uint8_t* value, Py_ssize_t value_size, Py_ssize_t name_size) noexcept

cpdef tuple check_fields(int status, headers, tuple server, tuple date)
