cimport cython

from gasgi.asgi.app_task cimport AppTask
from gasgi.http2.pieces cimport Pieces
from gasgi.http2.sender cimport Queued, Sender
from gasgi.http2.streams cimport Stream

cdef int OPEN, CLOSING, SHUT, GONE
cdef int CLOSED
cdef Py_ssize_t FLUSH_BYTES

@cython.final
cdef class StreamChannel(Queued):
    cdef Sender _sender
    cdef public object protocol
    cdef Py_ssize_t _high
    cdef Py_ssize_t _low

    cdef int _phase

    cdef bint _is_blocked

    cdef bint _is_paused
    cdef bytearray _held
    cdef bint _is_at_end

    cdef double _end_at
    cdef bint _is_told

    @cython.locals(sender=Sender, waiting=Pieces, size=Py_ssize_t)
    cpdef write(self, bytes data)
    cpdef close(self)
    cpdef abort(self)
    cdef _read(self, bytes piece)
    cdef _read_end(self)
    cdef _drop_held(self)
    @cython.locals(sender=Sender)
    cdef _shut(self)
    cdef _go(self)
