cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.reporting.timing cimport Timing
from gasgi.serving.runtime cimport Runtime

cdef int READY, RUNNING, CANCELLED, DROPPED, ENDED

cdef class AppTask:
    cdef Runtime _runtime
    cdef dict _scope
    cdef ParsedHead _head
    cdef int _app_state
    cdef object _task
    cdef public bint is_client_gone
    cdef public bint has_failed
    cdef public bint is_websocket
    cdef bint _has_dropped_send
    cdef public Timing timing

    cdef _prepare(self, Runtime runtime, dict scope, ParsedHead head)
    cpdef disconnect(self)
    cpdef complete(self)
    cpdef app_returned(self)
    cpdef app_ended(self)
    cpdef start(self)
    cpdef cancel(self)
    @cython.locals(seconds=double)
    cpdef double give_grace(self) except -1.0
    cpdef sweep(self)
    cpdef bint is_running(self) except -1
    cpdef running_task(self)
    cpdef bint was_cancelled(self) except -1
    cpdef str describe(self)
    cdef _log_cancellation(self)
    cdef _end(self)
