cimport cython

from gasgi.asgi.app_task cimport AppTask
from gasgi.http1.response cimport Response
from gasgi.serving.deadlines cimport Deadlines
from gasgi.serving.flow cimport WriteGate

@cython.final
cdef class Departure:
    cdef Deadlines _deadlines
    cdef Response _response
    cdef WriteGate _gate
    cdef bint _is_half_closed
    cdef long long _seen_bytes

    cpdef look(self, transport)
    cpdef begin_grace(self, AppTask exchange, bint is_body_whole)
    cpdef end_grace(self, AppTask exchange, transport)
