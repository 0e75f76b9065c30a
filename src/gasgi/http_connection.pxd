from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.http_exchange cimport HttpExchange
from gasgi.http_writer cimport HttpWriter
from gasgi.runtime cimport Runtime
from gasgi.scope cimport http_scope

cdef int IDLE, HEAD, REQUEST, DISCARDING, LINGERING, CLOSED
cdef Py_ssize_t FLUSH_BYTES, HOLD_BYTES, WINDOW_BYTES, MAX_UNFINISHED
cdef double LINGER_S, QUIET_S
cdef int CLIENT_LEFT

cdef class HttpConnection(HttpWriter):
    cdef object _proxied
    cdef object _parser
    cdef object _client
    cdef object _server
    cdef str _scheme
    cdef bint _is_trusted
    cdef dict _template
    cdef dict _tls

    cdef int _phase
    cdef object _body
    cdef long long _body_left
    cdef bytes _held
    cdef Py_ssize_t _held_at
    cdef list _late
    cdef Py_ssize_t _late_bytes
    cdef bint _is_reading_paused
    cdef bint _is_eof
    cdef bint _is_half_closed
    cdef Py_ssize_t _unfinished
    cdef Py_ssize_t _drained_bytes
    cdef bint _must_linger
    cdef bint _is_held_back

    cdef double _read_deadline
    cdef double _write_deadline
    cdef double _cancel_at
    cdef Py_ssize_t _unsent
    cdef double _last_active
    cdef long long _seen_bytes

    cdef object _view
    cdef double _started

    cpdef sweep(self, double now)
    cpdef take_turn(self)
    cdef _wait_for_turn(self, bytes data)
    cdef _read_head(self, bytes data)
    cdef _begin(self, ParsedHead head)
    cdef _apply_policy(self, ParsedHead head)
    cdef _begin_websocket(self, ParsedHead head, dict template, forwarded)
    cdef bytes _feed_body(self, bytes data)
    cdef _hold(self, bytes data)
    cdef bytes _take_held(self)
    cdef _next_request(self)
    cdef _become_idle(self)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cdef _begin_grace(self)
    cdef _end_grace(self)
    cdef _refuse(self, exc)
    cdef _on_read_deadline(self)
    cdef _linger(self)
    cdef _close(self)
    cdef _set_read_deadline(self, double seconds)
    cdef _set_write_deadline(self)
    cdef _observe_begin(self, dict template)
    cdef _observe_end(self, int status)
