cimport cython

from gasgi._ws_mask cimport held_bytes
from gasgi.asgi.app_task cimport AppTask
from gasgi.asgi.stream cimport HttpStream


cdef int CONNECTING, DENYING, OPEN, CLOSED

cdef class WebSocketStream:
    cpdef send_message(self, payload)
    cpdef close(self, int code, str reason)
    cpdef resume_messages(self)
    cpdef messages_taken(self)

@cython.final
cdef class WebSocketSession(AppTask):
    cdef HttpStream _http
    cdef object _opening
    cdef WebSocketStream _stream
    cdef Py_ssize_t _max_messages
    cdef Py_ssize_t _max_bytes

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
    cdef _send(self, dict message)
    cdef _next_event(self)
    cdef _wake_one(self)
    cdef _send_other(self, kind, dict message)
    cdef _accept(self, message)
    cdef _close(self, message)
    cdef _deny(self, message)
    cdef _send_denial_body(self, message)
    cdef int _check_still(self, int state, str kind) except -1
    cdef _closed_by_app(self, int code, str reason)

cdef bytes _as_bytes(data)
