cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.admission cimport admit
from gasgi.asgi.app_task cimport AppTask
from gasgi.asgi.http cimport HttpExchange
from gasgi.http1.departure cimport Departure
from gasgi.http1.inbox cimport Inbox
from gasgi.http1.request_body cimport RequestBody
from gasgi.http1.response cimport Response
from gasgi.serving.deadlines cimport Deadlines
from gasgi.serving.flow cimport WriteGate
from gasgi.serving.peer cimport Peer
from gasgi.serving.runtime cimport Runtime

cdef int CLIENT_LEFT

@cython.final
cdef class CurrentRequest:
    cdef Runtime _runtime
    cdef object _transport
    cdef Peer _peer
    cdef Deadlines _deadlines
    cdef Inbox _inbox
    cdef RequestBody _body
    cdef Response _response
    cdef WriteGate _gate

    cdef public AppTask exchange
    cdef public Py_ssize_t unfinished
    cdef Departure _departure

    @cython.locals(exchange=HttpExchange)
    cpdef AppTask begin(self, ParsedHead head)
    cdef AppTask _begin_websocket(self, ParsedHead head, dict scope)
    @cython.locals(exchange=AppTask)
    cpdef let_go(self, int status)
    cpdef client_shut(self)
    cpdef look_at_client(self)
    cpdef bint lost(self) except -1
    cpdef bint has_ended(self) except -1
    cpdef release(self)
    cpdef sweep(self, double now)
    cpdef abort(self)
    cdef Departure _departing(self)
    cdef _report(self, int otherwise)
