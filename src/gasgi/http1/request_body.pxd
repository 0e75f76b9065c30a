cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.http cimport HttpExchange
from gasgi.http1.inbox cimport Inbox
from gasgi.serving.deadlines cimport Deadlines
from gasgi.serving.runtime cimport Runtime

cdef Py_ssize_t HOLD_BYTES, JOIN_BYTES

@cython.final
cdef class RequestBody:
    cdef object _settings
    cdef Inbox _inbox
    cdef Deadlines _deadlines

    cdef readonly HttpExchange exchange
    cdef public bint wants_continue
    cdef public long long unread_bytes
    cdef Py_ssize_t _drained_bytes

    @cython.locals(inbox=Inbox, whole=bytes, piece=bytes)
    cpdef begin(self, ParsedHead head, HttpExchange exchange)
    cpdef read(self, bytes data)
    @cython.locals(exchange=HttpExchange, piece=bytes)
    cpdef read_held(self)
    cpdef read_on(self)
    cpdef end(self)
    cpdef bint leaves_much(self) except -1
    cdef _resume(self, HttpExchange exchange)
    cdef _give(self, HttpExchange exchange, bytes piece)
