cimport cython

cdef bytes _DIGITS
cdef Py_ssize_t _LINES_PER_TURN, _USUAL_DIGITS
cdef int _CR, _LF
cdef int _SIZE_LINE, _DATA, _DATA_END, _TRAILERS, _COMPLETE

cdef class MessageBody:
    cdef public bint is_complete
    cdef bytes _leftover

    cpdef bytes feed(self, bytes data)
    cpdef bytes take_leftover(self)


cdef class LengthBody(MessageBody):
    cdef long long _remaining

    @cython.locals(size=Py_ssize_t, body=bytes)
    cpdef bytes feed(self, bytes data)


cdef class ChunkedBody(MessageBody):
    cdef int _state
    cdef long long _remaining
    cdef Py_ssize_t _budget
    cdef bytearray _line

    @cython.locals(
        size=Py_ssize_t, position=Py_ssize_t, end=Py_ssize_t, lines=Py_ssize_t, body=bytes, piece=bytes, line=bytes,
        pieces=list
    )
    cpdef bytes feed(self, bytes data)
    @cython.locals(number=Py_ssize_t, start=Py_ssize_t, last=Py_ssize_t)
    cdef Py_ssize_t _skip_usual_line(self, bytes data, Py_ssize_t position, Py_ssize_t size) except -1
    cdef _hold_line(self, bytes piece)
    cdef _check_length(self, Py_ssize_t length)
    cdef _read_line(self, bytes line)
    cdef _read_size(self, bytes line)
    cdef _read_trailer(self, bytes line)
