cimport cython

@cython.final
cdef class Pieces:
    cdef public Py_ssize_t size
    cdef object _pieces
    cdef Py_ssize_t _start

    cpdef put(self, bytes piece)
    @cython.locals(piece=bytes, start=Py_ssize_t, stop=Py_ssize_t)
    cpdef bytes take(self, Py_ssize_t most)
