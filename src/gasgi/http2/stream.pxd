cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.http cimport HttpExchange
from gasgi.http2.pieces cimport Pieces
from gasgi.http2.sender cimport Queued, Sender
from gasgi.http2.streams cimport Stream
from gasgi.reporting.record cimport Record
from gasgi.serving.flow cimport WriteGate

cdef int WAITING, SENDING, ENDING, OVER
cdef int CLOSED, HALF_CLOSED_LOCAL
cdef Py_ssize_t FLUSH_BYTES

@cython.final
cdef class Http2Stream(Queued):
    cdef Sender _sender
    cdef public Stream state
    cdef public long long number
    cdef public object opening
    cdef public Record record

    cdef public bint wants_continue
    cdef bint _is_head_request

    cdef public int phase
    cdef public int status
    cdef public long long length_left
    cdef public long long sent_bytes
    cdef list _fields
    cdef bint _has_no_body
    cdef list _trailers
    cdef Pieces _waiting
    cdef bint _is_in_row
    cdef WriteGate _gate

    cdef double _read_at
    cdef double _write_at

    @cython.locals(exchange=HttpExchange)
    cpdef HttpExchange begin(self, ParsedHead head, dict scope)
    cpdef hand_over(self, Queued owner)
    cdef _feed(self, HttpExchange exchange, bytes piece, bint ends_stream)
    cpdef send_quiet_head(self)
    cpdef answer(self, int status, tuple fields)
    cpdef reset(self, long long code)
    cdef _expect_body(self)
    cdef _expect_window(self)
    cdef int _check(self) except -1
    @cython.locals(sender=Sender, ends=bint)
    cdef _begin(self, bytes body, Py_ssize_t size, bint more)
    @cython.locals(ends=bint)
    cdef _put(self, bytes body, Py_ssize_t size, bint more)
    cdef bint _waits(self) except -1
    cdef _put_data(self, bytes body, Py_ssize_t size, bint ends)
    cdef _end(self)
    cdef _finish(self)
    cdef _pace(self, Py_ssize_t size)
    cdef _forget(self)
    cdef _report(self, int status)
