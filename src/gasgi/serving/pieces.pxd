cimport cython

cdef Py_ssize_t _SMALL_BYTES

@cython.locals(size=Py_ssize_t, last=bytes)
cpdef add_piece(list pieces, bytes data)
