cimport cython

from gasgi.asgi.app_task cimport AppTask
from gasgi.http1.response cimport Response
from gasgi.serving.deadlines cimport Deadlines
from gasgi.serving.flow cimport WriteGate
from gasgi.serving.peer cimport Peer
from gasgi.serving.runtime cimport Runtime

cdef int GONE, SHUT

@cython.final
cdef class Departure:
    cdef Runtime _runtime
    cdef object _transport
    cdef Peer _peer
    cdef Deadlines _deadlines
    cdef Response _response
    cdef WriteGate _gate

    cdef bint _has_shut
    cdef bint _is_half_closed
    cdef long long _seen_bytes
    cdef AppTask _ended

    cpdef shut(self, AppTask exchange)
    cpdef look(self, AppTask exchange)
    cpdef end_stream(self, AppTask exchange)
    cpdef begin_grace(self, AppTask exchange, bint is_body_whole)
    cpdef end_grace(self, AppTask exchange)
