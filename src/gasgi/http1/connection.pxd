cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.app_task cimport AppTask
from gasgi.http1.current cimport CurrentRequest
from gasgi.http1.inbox cimport Inbox
from gasgi.http1.request_body cimport RequestBody
from gasgi.http1.response cimport Response, ResponseOwner
from gasgi.serving.deadlines cimport Deadlines
from gasgi.serving.flow cimport WriteGate
from gasgi.serving.outbox cimport Outbox
from gasgi.serving.peer cimport Peer
from gasgi.serving.runtime cimport Runtime

cdef int CLIENT_LEFT

cdef int IDLE, HEAD, WAITING, REQUEST, DISCARDING, LINGERING, CLOSED
cdef Py_ssize_t MAX_UNFINISHED
cdef double LINGER_S, IDLE_S

@cython.final
cdef class HttpConnection(ResponseOwner):
    cdef Runtime _runtime
    cdef object _proxied
    cdef object _transport
    cdef Peer _peer
    cdef CurrentRequest _current
    cdef WriteGate _gate
    cdef Outbox _outbox
    cdef Inbox _inbox
    cdef RequestBody _body
    cdef Response _response
    cdef Deadlines _deadlines

    cdef int _phase
    cdef double _last_active
    cdef bint _must_linger
    cdef public object switch

    cpdef sweep(self, double now)
    cpdef take_turn(self)
    cdef _read_head(self, bytes data)
    cdef _wait_for_turn(self, bytes data)
    @cython.locals(exchange=AppTask)
    cdef _begin(self, ParsedHead head)
    cdef _read_body(self, bytes data)
    cdef _leave_body(self)
    cdef _go_on(self)
    cdef _next_request(self)
    cdef _become_idle(self)
    @cython.locals(exchange=AppTask)
    cpdef refuse(self, exc)
    cdef _on_read_deadline(self)
    cdef _linger(self)
    cdef _close(self)
    cdef _forget(self)
