cdef class Turns:
    cdef object _loop
    cdef Py_ssize_t _most
    cdef object _waiting
    cdef bint _is_scheduled
    cdef public Py_ssize_t unstarted

    cpdef bint is_over(self) except -1
    cpdef wait(self, connection)
