"""What other compiled modules read of a head without going through Python attributes."""

cimport cython
from libc.stdint cimport int64_t


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
