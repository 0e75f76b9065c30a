cimport cython

from gasgi._ws_mask cimport held_bytes
from gasgi.runtime cimport Runtime

cdef int _CONNECTING
cdef int _DENYING
cdef int _OPEN
cdef int _CLOSED

cdef class WebSocketStream:
    cpdef accept(self, subprotocol, list headers)
    cpdef refuse(self, int status)
    cpdef deny_start(self, int status, list headers)
    cpdef deny_body(self, bytes body, bint more)
    cpdef deny_cut(self)
    cpdef send_message(self, payload)
    cpdef close(self, int code, str reason)
    cpdef resume_messages(self)
    cpdef messages_taken(self)

@cython.final
cdef class WebSocketSession:
    cdef Runtime _runtime
    cdef WebSocketStream _stream
    cdef object _scope
    cdef Py_ssize_t _max_messages
    cdef Py_ssize_t _max_bytes
    cdef object _task
    cdef bint _was_cancelled_by_server

    cdef int _state
    cdef bint _was_connect_given
    cdef int _disconnect_code
    cdef str _disconnect_reason

    cdef object _queue
    cdef Py_ssize_t _queued_bytes
    cdef public bint is_full
    cdef public bint wants_to_know
    cdef list _waiters

    cpdef deliver(self, payload)
    cpdef disconnected(self, int code, str reason)
    cpdef bint has_messages(self)
    cpdef cancel(self)
    cpdef sweep(self)
    cpdef start(self)
    cdef _next_event(self)
    cdef _wake_one(self)
    cdef _send_other(self, kind, message)
    cdef _accept(self, message)
    cdef _close(self, message)
    cdef _deny(self, message)
    cdef _send_denial_body(self, message)
    cdef _closed_by_app(self, int code, str reason)
    cdef _app_returned(self)
    cdef _app_ended(self)
    cdef _log_cancellation(self)
    cdef str _describe(self)

cdef list _as_fields(headers)
cdef bytes _as_bytes(data)
