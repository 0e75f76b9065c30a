cimport cython

from gasgi.websocket.frames cimport FrameDecoder, encode_close
from gasgi.asgi.websocket cimport WebSocketSession
from gasgi.reporting.record cimport Record
from gasgi.websocket.writer cimport WebSocketWriter

cdef int GONE, SHUT
cdef int OPEN, CLOSE_SENT, ENDING, LOST, ABNORMAL
cdef int _CLOSE, _PING
cdef int _FIN_PING
cdef int _FIN_PONG
cdef double _LINGER_S

cdef class WebSocketConnection(WebSocketWriter):
    cdef Record _record
    cdef WebSocketSession _session
    cdef FrameDecoder _decoder

    cdef int _state

    cdef bint _is_reading_paused
    cdef bint _is_probed
    cdef bint _is_step_due
    cdef object _failure

    cdef bytes _late_pong

    cdef double _heard_at
    cdef double _pinged_at
    cdef double _blocked_at
    cdef double _end_by
    cdef Py_ssize_t _unsent

    cdef int _status
    cdef list _answer_fields

    cpdef close(self, int code, str reason)
    cpdef resume_messages(self)
    cpdef messages_taken(self)
    @cython.locals(decoder=FrameDecoder, session=WebSocketSession)
    cdef _decode(self)
    cdef _answer_control(self, int opcode, payload)
    cdef _fail(self, error)
    cdef int _look_at_peer(self) except -1
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cdef bint _is_open(self) except -1
    cdef _end(self)
    cdef _end_within(self, double seconds)
    cdef bint _has_taken_some(self) except -1
    cdef tuple _tell_end(self, int code, str reason)
    cdef _drop(self, str reason)
    cdef _report(self)
