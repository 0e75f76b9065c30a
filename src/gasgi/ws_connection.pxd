cimport cython

from gasgi.ws_frames cimport FrameDecoder, encode_close
from gasgi.ws_session cimport WebSocketSession
from gasgi.ws_writer cimport WebSocketWriter

cdef int _HANDSHAKE
cdef int _OPEN
cdef int _CLOSE_SENT
cdef int _ENDING
cdef int _LOST
cdef int _CLOSE
cdef int _PING
cdef int _FIN_PING
cdef int _FIN_PONG
cdef int _ABNORMAL
cdef double _LINGER_S

cdef class WebSocketConnection(WebSocketWriter):
    cdef object _head
    cdef object _handshake
    cdef object _scope
    cdef object _proxied
    cdef WebSocketSession _session
    cdef FrameDecoder _decoder

    cdef int _state

    cdef bint _is_reading_paused
    cdef bint _is_step_due
    cdef object _failure

    cdef bytes _late_pong
    cdef bytes _denial_head
    cdef bint _denial_is_chunked
    cdef Py_ssize_t _denial_room

    cdef double _heard_at
    cdef double _pinged_at
    cdef double _blocked_at
    cdef double _end_by
    cdef Py_ssize_t _unsent

    cdef object _view
    cdef double _began_at
    cdef int _status
    cdef list _answer_fields

    cpdef accept(self, subprotocol, list headers)
    cpdef refuse(self, int status)
    cpdef deny_start(self, int status, list headers)
    cpdef deny_body(self, bytes body, bint more)
    cpdef deny_cut(self)
    cpdef close(self, int code, str reason)
    cpdef resume_messages(self)
    cpdef messages_taken(self)
    @cython.locals(decoder=FrameDecoder, session=WebSocketSession)
    cdef _decode(self)
    cdef _answer_control(self, int opcode, payload)
    cdef _fail(self, error)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cdef bint _is_open(self) except -1
    cdef _end(self)
    cdef _end_within(self, double seconds)
    cdef bint _has_taken_some(self) except -1
    cdef tuple _tell_end(self, int code, str reason)
    cdef _drop(self, str reason)
    cdef _report(self)
