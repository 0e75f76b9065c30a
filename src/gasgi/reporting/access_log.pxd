from gasgi.reporting.access_format cimport AccessFormat
from gasgi.reporting.gunicorn_view cimport RequestView, ResponseView

cdef class AccessLog:
    cdef object _log
    cdef object _access
    cdef object _logger
    cdef long long _second
    cdef int _way
    cdef bint _is_exact
    cdef bint _is_json
    cdef object _handler
    cdef object _formatter
    cdef AccessFormat _format

    cpdef write(self, RequestView request, ResponseView response)
    cdef _start_second(self, long long second)
    cdef int _find_way(self) except -1
    cdef bint _is_still_direct(self) except -1
    cdef _write_direct(self, str line)
    cdef _write_exactly(self, RequestView request, ResponseView response)
    cdef _make_record(self, str line)
