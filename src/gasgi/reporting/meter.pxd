cimport cython

cdef double MICROSECONDS
cdef Py_ssize_t RUNNING, WEBSOCKETS, LAG_US, STATUSES, BYTES_IN, BYTES_OUT, DURATION_US, BUCKETS, REFUSED

@cython.final
cdef class Meter:
    cdef long long[::1] _numbers
    cdef Py_ssize_t _at
    cdef double[::1] _bounds
    cdef Py_ssize_t _count

    cpdef begin(self)
    @cython.locals(at=Py_ssize_t, kind=int, bucket=Py_ssize_t, numbers="long long[::1]")
    cpdef end(self, int status, double took_s, long long sent_bytes)
    cpdef count_received(self, Py_ssize_t size)
    @cython.locals(place=Py_ssize_t)
    cpdef count_refused(self, int status)
