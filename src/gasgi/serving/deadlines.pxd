cimport cython

from gasgi.serving.runtime cimport Runtime

@cython.final
cdef class Deadlines:
    cdef Runtime _runtime
    cdef public object transport
    cdef public double read_at
    cdef public double write_at
    cdef public double grace_at
    cdef Py_ssize_t _unsent

    cpdef set_read(self, double seconds)
    cpdef set_write(self)
    cpdef set_grace(self)
    cpdef bint is_read_over(self, double now) except -1
    cpdef bint is_write_over(self, double now) except -1
    cpdef bint is_grace_over(self, double now) except -1
    cpdef clear(self)
