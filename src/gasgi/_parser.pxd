"""The head that other compiled modules read, and the parser that makes it, without going through Python attributes."""

cimport cython
from libc.stdint cimport int64_t, uint64_t, uint8_t


@cython.final
cdef class RequestHead:
    cdef public str method
    cdef public bytes target
    cdef public str path
    cdef public bytes raw_path
    cdef public bytes query_string
    cdef public str http_version
    cdef public list headers
    cdef public bytes host
    cdef public int64_t content_length
    cdef public bint is_chunked
    cdef public bint keep_alive
    cdef public bytes upgrade
    cdef public bint expects_continue
    cdef public bint accepts_trailers
    cdef public bint has_underscore_name


@cython.final
cdef class FieldReader:
    # Fixed for the worker
    cdef object llhttp
    cdef bint is_stale
    # What the fields of one head say; taken apart here, since a callback of llhttp for each costs more
    cdef object error
    cdef bytes upgrade
    cdef uint64_t seen
    cdef Py_ssize_t count
    # The digits of the content-length, as an offset into the fields
    cdef Py_ssize_t length_start
    cdef Py_ssize_t length_end
    cdef bint has_close
    cdef bint has_keep_alive
    cdef bint has_upgrade
    cdef bint is_unusual

    cdef int read(self, RequestHead head, bytes raw, Py_ssize_t start, Py_ssize_t field_count,
                  bint is_substituted) except -1
    cdef int take_apart(self, RequestHead head, const uint8_t* source, Py_ssize_t size) except -1
    cdef take_error(self)
    cdef int read_special(self, RequestHead head, int kind, bytes name, bytes value) except -1
    cdef int judge(self, RequestHead head) except -1


@cython.final
cdef class HeadParser:
    # Fixed for the connection
    cdef object limits
    cdef Py_ssize_t line_max
    cdef Py_ssize_t fields_max
    cdef Py_ssize_t field_bytes_max
    cdef Py_ssize_t head_bytes_max
    cdef FieldReader fields
    # Bytes after the last head
    cdef bytes held
    cdef Py_ssize_t held_start
    # The unfinished head
    cdef bytearray buffer
    cdef RequestHead head
    cdef bytes authority
    cdef bint is_substituted
    cdef bint has_begun
    cdef bint has_skipped_crlf
    cdef Py_ssize_t head_start
    cdef Py_ssize_t fields_start
    cdef Py_ssize_t line_start
    cdef Py_ssize_t position
    cdef Py_ssize_t field_count

    cpdef RequestHead feed(self, bytes data)
    cpdef bytes take_leftover(self)
    cdef RequestHead feed_buffer(self, bytes data)
    cdef int hold_head(self, bytes data, Py_ssize_t size) except -1
    cdef int rebase(self) except -1
    cdef Py_ssize_t scan(self, const uint8_t* source, Py_ssize_t size) except -2
    cdef int begin(self, const uint8_t* source, Py_ssize_t size) except -1
    cdef int read_first_line(self, const uint8_t* line, Py_ssize_t length) except -1
    cdef int read_usual_line(self, RequestHead head, const uint8_t* line, Py_ssize_t target_end) except -1
    cdef int read_unusual_line(self, RequestHead head, bytes line) except -1
    cdef RequestHead finish(self, bytes raw)
