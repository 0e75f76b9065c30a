from gasgi.reporting.timing cimport Timing

cdef class WriteGate:
    cdef object _loop
    cdef list _waiters
    cdef public bint is_open
    cdef public bint is_lost
    cdef public Timing timing

    cpdef pause(self)
    cpdef resume(self)
    cpdef lost(self)
    cpdef int check(self) except -1
    cdef _wake(self)
