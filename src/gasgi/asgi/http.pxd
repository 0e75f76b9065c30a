cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.app_task cimport AppTask
from gasgi.asgi.stream cimport HttpStream
from gasgi.serving.pieces cimport add_piece
from gasgi.serving.runtime cimport Runtime

cdef int NOT_STARTED, READING, HEAD_HELD, STREAMING, SENDING_FILE, TRAILERS, COMPLETE

@cython.final
cdef class HttpExchange(AppTask):
    cdef HttpStream _stream

    cdef list _pieces
    cdef public Py_ssize_t buffered
    cdef bint _is_body_ended
    cdef bint _is_body_delivered

    cdef int _state
    cdef bint _has_trailers
    cdef list _waiters

    cpdef prepare(self, Runtime runtime, HttpStream stream, dict scope, ParsedHead head)
    cpdef feed_body(self, bytes data)
    cpdef end_body(self)

    @cython.locals(event=dict)
    cpdef send(self, message)
    cdef dict _next_message(self)
    cdef dict _take_body(self)
    cdef _wake(self)
    cdef _send_start(self, dict message)
    cdef _send_body(self, dict message)
    cdef _send_other(self, kind, dict message)
    cdef _send_file(self, str kind, file, offset, count, bint more)
    cdef _out_of_turn(self, str kind)
