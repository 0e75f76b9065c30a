cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.answer_length cimport take_length
from gasgi.asgi.http cimport HttpExchange
from gasgi.http2.pieces cimport Pieces
from gasgi.http2.sender cimport Queued, Sender
from gasgi.http2.streams cimport Stream
from gasgi.reporting.record cimport Record
from gasgi.reporting.timing cimport Timing
from gasgi.serving.flow cimport WriteGate

cdef int WAITING, SENDING, ENDING, OVER
cdef int CLOSED, HALF_CLOSED_LOCAL

@cython.final
cdef class Http2Stream(Queued):
    cdef Sender _sender
    cdef public object opening
    cdef public Record record
    cdef public Timing timing

    cdef public bint wants_continue
    cdef bint _is_head_request
    cdef public bint is_opening
    cdef readonly object head

    cdef public int phase
    cdef public int status
    cdef public long long length_left
    cdef public long long sent_bytes
    cdef list _fields
    cdef bint _has_no_body
    cdef list _trailers
    cdef WriteGate _gate

    cdef public double read_at
    cdef public double write_at

    @cython.locals(exchange=HttpExchange)
    cpdef HttpExchange begin(self, ParsedHead head, dict scope)
    cpdef begin_timing(self, ParsedHead head, double held_at)
    cpdef hand_over(self, Queued owner)
    cdef _feed(self, HttpExchange exchange, bytes piece, bint ends_stream)
    cpdef send_quiet_head(self)
    cpdef answer(self, int status, tuple fields)
    cpdef bint has_begun(self) except -1
    cpdef bint is_open_ended(self) except -1
    cpdef reset(self, long long code)
    cdef _expect_body(self)
    cdef _expect_window(self)
    cdef int _check(self) except -1
    @cython.locals(sender=Sender, ends=bint)
    cdef _begin(self, bytes body, Py_ssize_t size, bint more)
    @cython.locals(ends=bint)
    cdef _put(self, bytes body, Py_ssize_t size, bint more)
    cdef _put_data(self, bytes body, Py_ssize_t size, bint ends)
    cdef _end(self)
    cdef _finish(self)
    @cython.locals(sender=Sender)
    cdef _pace(self, Py_ssize_t size)
    cdef _forget(self)
    cdef _report(self, int status)
