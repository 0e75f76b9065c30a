cimport cython

from gasgi.reporting.meter cimport Meter
from gasgi.reporting.slow_requests cimport SlowRequests

@cython.final
cdef class Timing:
    cdef SlowRequests _slow
    cdef Meter _meter
    cdef double _limit_s

    cdef bint _is_running
    cdef bint _is_told
    cdef public double held_at
    cdef readonly double arrived_at
    cdef readonly double started_at
    cdef readonly double blocked_before_s

    cdef readonly Py_ssize_t body_waits
    cdef readonly Py_ssize_t client_waits
    cdef double _body_since
    cdef double _client_since
    cdef double _body_s
    cdef double _client_s

    cpdef hold(self)
    @cython.locals(now=double)
    cpdef begin(self)
    cpdef start(self)
    @cython.locals(now=double, took_s=double)
    cpdef end(self, head, int status, long long sent_bytes)
    cpdef look(self, head, task)
    cpdef begin_body_wait(self)
    cpdef end_body_wait(self)
    cpdef begin_client_wait(self)
    cpdef end_client_wait(self)
    cpdef double body_so_far(self, double now) except? -1.0
    cpdef double client_so_far(self, double now) except? -1.0

cpdef double held_since(double before, bint is_held) except? -1.0
