cimport cython

@cython.final
cdef class QuietHeads:
    cdef object _loop
    cdef list _new
    cdef list _old
    cdef bint _is_timed

    cpdef watch(self, stream)
    cpdef forget(self, stream)
