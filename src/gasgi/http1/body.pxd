cimport cython

cdef class LengthBody:
    cdef public bint is_complete
    cdef long long _remaining
    cdef bytes _leftover

    @cython.locals(size=Py_ssize_t, body=bytes)
    cpdef bytes feed(self, bytes data)
    cpdef bytes take_leftover(self)


cdef class ChunkedBody:
    cdef public bint is_complete
    cdef int _state
    cdef long long _remaining
    cdef Py_ssize_t _budget
    cdef bytearray _line
    cdef bytes _leftover

    @cython.locals(
        size=Py_ssize_t, position=Py_ssize_t, end=Py_ssize_t, body=bytes, piece=bytes, line=bytes, pieces=list
    )
    cpdef bytes feed(self, bytes data)
    cpdef bytes take_leftover(self)
    cdef _hold_line(self, bytes piece)
    cdef _check_length(self, Py_ssize_t length)
    cdef _read_line(self, bytes line)
    cdef _read_size(self, bytes line)
    cdef _read_trailer(self, bytes line)
