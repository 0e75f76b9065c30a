cimport cython

from gasgi._parser cimport RequestHead as ParsedHead

cdef int _PLAIN, _FORBIDDEN, _EXPECT, _TE, _COOKIE, _PRIORITY, _SINGLE, _HOST, _CONTENT_LENGTH, _FIRST_OTHER
cdef int _COLON
cdef Py_ssize_t _FIELD_OVERHEAD, _LINE_OVERHEAD
cdef dict _KINDS
cdef dict _USUAL_METHODS

@cython.final
cdef class HeadReader:
    cdef object _limits
    cdef Py_ssize_t _max_field_bytes
    cdef Py_ssize_t _max_fields
    cdef bint _takes_websockets

    cdef bytes _authority
    cdef tuple _host_field
    cdef bytes _target
    cdef str _path
    cdef bytes _raw_path
    cdef bytes _query_string

    cdef bytes _said_method
    cdef bytes _said_scheme
    cdef bytes _said_authority
    cdef bytes _said_path
    cdef bytes _said_protocol
    cdef readonly bytes priority

    @cython.locals(head=ParsedHead, count=Py_ssize_t, host=bytes)
    cpdef ParsedHead read(self, long long stream_id, list fields, str flaw, bint ends_stream)
    @cython.locals(count=Py_ssize_t, name=bytes, value=bytes, said=bytes)
    cdef Py_ssize_t _read_pseudo_fields(self, long long stream_id, list fields) except -1
    @cython.locals(method=bytes, target=bytes, scheme=bytes)
    cdef _read_request(self, long long stream_id, ParsedHead head)
    cdef _check_connect(self, long long stream_id)
    cdef str _read_method(self, bytes method)
    @cython.locals(end=Py_ssize_t, raw_path=bytes)
    cdef _read_target(self, long long stream_id, bytes method, bytes target)
    @cython.locals(authority=bytes)
    cdef _read_authority(self, long long stream_id, ParsedHead head, bytes host)
    @cython.locals(headers=list, host=bytes, crumbs=list, cookie_at=Py_ssize_t, seen="long long", bit="long long",
                   max_bytes=Py_ssize_t, i=Py_ssize_t, field=tuple, name=bytes, value=bytes, kind=int)
    cdef bytes _read_fields(self, long long stream_id, ParsedHead head, list fields, Py_ssize_t start)

@cython.locals(name=bytes)
cpdef check_trailers(long long stream_id, list fields, str flaw)
