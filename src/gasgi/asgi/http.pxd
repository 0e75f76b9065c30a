from gasgi.asgi.stream cimport HttpStream
from gasgi.serving.runtime cimport Runtime

cdef int NOT_STARTED, HEAD_HELD, STREAMING, SENDING_FILE, TRAILERS, COMPLETE

cdef class HttpExchange:
    cdef Runtime _runtime
    cdef HttpStream _stream
    cdef dict _scope
    cdef object _task
    cdef bint _has_started
    cdef public bint is_running

    cdef list _pieces
    cdef public Py_ssize_t buffered
    cdef bint _is_body_ended
    cdef bint _is_body_delivered

    cdef int _state
    cdef bint _has_trailers

    cdef public bint is_client_gone
    cdef public bint has_failed
    cdef bint _was_cancelled_by_server
    cdef list _waiters

    cpdef feed_body(self, bytes data)
    cpdef end_body(self)
    cpdef disconnect(self)
    cpdef cancel(self)
    cpdef sweep(self)
    cpdef complete(self)
    cpdef start(self)

    cdef dict _next_message(self)
    cdef dict _take_body(self)
    cdef _wake(self)
    cdef _send_start(self, dict message)
    cdef _send_body(self, dict message)
    cdef _send_other(self, kind, dict message)
    cdef _send_file(self, str kind, file, offset, count, bint more)
    cdef _out_of_turn(self, str kind)
    cdef _log_cancellation(self)
    cdef _end(self)
    cdef str _describe(self)
