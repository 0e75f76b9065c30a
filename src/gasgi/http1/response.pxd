from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.serving.flow cimport WriteGate
from gasgi.asgi.http cimport HttpExchange
from gasgi.asgi.stream cimport HttpStream
from gasgi.serving.runtime cimport Runtime

cdef int UNDECIDED, NO_BODY, LENGTH, CHUNKED, UNTIL_CLOSE
cdef Py_ssize_t JOIN_BYTES, COPY_CHUNK_BYTES
cdef double HOLD_S

cdef class HttpWriter(HttpStream):
    cdef Runtime _runtime
    cdef object _transport
    cdef WriteGate _gate
    cdef bint _is_tls

    cdef ParsedHead _head
    cdef HttpExchange _exchange
    cdef bint _keep_alive
    cdef bint _wants_continue

    cdef bytes _held_head
    cdef int _framing
    cdef long long _length_left
    cdef int _status
    cdef long long _sent_bytes
    cdef bytes _trailer_lines
    cdef object _response_headers

    cdef list _out
    cdef Py_ssize_t _out_bytes
    cdef bint _is_flush_due
    cdef Py_ssize_t _answers_held
    cdef double _flush_by

    cdef _complete(self)
    cdef _resume_body(self)
    cdef _give_up(self)
    cdef _cut_off(self)
    cdef _answer(self, int status, tuple fields)
    cdef _send_head(self, bytes body, Py_ssize_t size, bint more)
    cdef bint _must_close_after(self, bint more) except -1
    cdef bint _ends_with_connection(self)
    cdef int _take_length(self, Py_ssize_t size, bint more) except -1
    cdef _put_chunk(self, bytes body, Py_ssize_t size)
    cdef int _raise_when_lost(self) except -1
    cdef _put(self, bytes data)
    cdef _flush_soon(self)
    cdef _hold_answer(self)
    cdef _flush(self)
