cdef class SlowRequests:
    cdef readonly double limit_s
    cdef object _log
    cdef double _blocked_s
    cdef double _due_at
    cdef Py_ssize_t _second
    cdef Py_ssize_t _told
    cdef Py_ssize_t _left_out

    cpdef pulse(self, double now)
    cpdef double blocked_s(self, double now) except? -1.0
    cdef bint _may_tell(self, double now) except -1
