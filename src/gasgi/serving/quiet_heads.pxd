cimport cython

@cython.final
cdef class QuietHeads:
    cdef object _loop
    cdef set _new
    cdef dict _old
    cdef bint _is_timed

    cpdef watch(self, stream)
    cpdef forget(self, stream)
