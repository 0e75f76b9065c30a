from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.http1.ending cimport HttpEnding
from gasgi.asgi.http cimport HttpExchange
from gasgi.serving.runtime cimport Runtime
from gasgi.asgi.scope cimport http_scope

cdef int IDLE, HEAD, REQUEST, DISCARDING, LINGERING, CLOSED
cdef Py_ssize_t FLUSH_BYTES, HOLD_BYTES, WINDOW_BYTES, MAX_UNFINISHED
cdef int CLIENT_LEFT

cdef class HttpConnection(HttpEnding):
    cdef object _parser
    cdef object _server
    cdef str _scheme
    cdef bint _is_trusted
    cdef dict _tls

    cdef long long _body_left
    cdef Py_ssize_t _held_at
    cdef Py_ssize_t _late_bytes
    cdef Py_ssize_t _unfinished
    cdef Py_ssize_t _drained_bytes
    cdef bint _is_held_back

    cpdef take_turn(self)
    cdef _wait_for_turn(self, bytes data)
    cdef _read_head(self, bytes data)
    cdef _begin(self, ParsedHead head)
    cdef _apply_policy(self, ParsedHead head)
    cdef _begin_websocket(self, ParsedHead head, dict template, forwarded)
    cdef bytes _feed_body(self, bytes data)
    cdef _hold(self, bytes data)
    cdef bytes _take_held(self)
    cdef bytes _take_window(self, Py_ssize_t size)
    cdef _go_on(self)
    cdef _next_request(self)
