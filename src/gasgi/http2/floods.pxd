cimport cython

@cython.final
cdef class FloodGuard:
    cdef list _levels
    cdef bint _is_charged
    cdef double _emptied_at

    @cython.locals(level=double, burst=double)
    cpdef int count(self, int kind, double now) except -1
    @cython.locals(level=double, is_charged=bint)
    cpdef stream_finished(self)
    cpdef data_sent(self, Py_ssize_t size)
    @cython.locals(seconds=double, rate=double)
    cdef _empty(self, double now)
