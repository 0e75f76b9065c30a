cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.answer_length cimport take_length
from gasgi.asgi.stream cimport HttpStream
from gasgi.http1.request_body cimport RequestBody
from gasgi.reporting.record cimport Record
from gasgi.reporting.timing cimport Timing
from gasgi.serving.flow cimport WriteGate
from gasgi.serving.outbox cimport Outbox
from gasgi.serving.runtime cimport Runtime

cdef Py_ssize_t FLUSH_BYTES, JOIN_BYTES, COPY_BYTES
cdef int UNDECIDED, NO_BODY, LENGTH, CHUNKED, UNTIL_CLOSE

cdef class ResponseOwner:
    cpdef response_complete(self)
    cpdef response_ended(self, int status, bint is_reset)
    cpdef exchange_ended(self)
    cpdef bytes hand_over(self)

@cython.final
cdef class Response(HttpStream):
    cdef Runtime _runtime
    cdef ResponseOwner _owner
    cdef RequestBody _body
    cdef Outbox _outbox
    cdef WriteGate _gate

    cdef public Py_ssize_t number
    cdef public ParsedHead request
    cdef public bint keep_alive

    cdef bytes _held_head
    cdef public bint is_watched
    cdef public bint is_opening
    cdef public int framing
    cdef public long long length_left
    cdef public int status
    cdef public long long sent_bytes
    cdef bytes _trailer_lines

    cdef public Record record
    cdef object _fields
    cdef public Timing timing

    cpdef begin(self, ParsedHead request)
    cpdef reset(self)
    cpdef release(self)
    cpdef bint holds_head(self) except -1
    cpdef send_held_head(self)
    cpdef answer(self, int status, tuple fields)
    cpdef put_head(self, bytes body, Py_ssize_t size, bint more)
    cpdef bint has_no_body(self) except -1
    cdef bint is_open_ended(self) except -1
    cpdef int take_length(self, Py_ssize_t size, bint more) except -1
    cdef _complete(self)
    cdef _pace(self, Py_ssize_t size)
    cdef _put_chunk(self, bytes body, Py_ssize_t size)
    cpdef bytes hand_over(self)
    cpdef report(self, int status)
