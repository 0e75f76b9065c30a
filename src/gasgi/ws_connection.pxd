cimport cython

from gasgi.flow cimport WriteGate
from gasgi.runtime cimport Runtime
from gasgi.ws_frames cimport FrameDecoder, encode_close
from gasgi.ws_session cimport WebSocketSession, WebSocketStream

cdef int _HANDSHAKE
cdef int _OPEN
cdef int _CLOSE_SENT
cdef int _ENDING
cdef int _LOST
cdef int _FIN_TEXT
cdef int _FIN_BINARY
cdef int _FIN_PING
cdef int _FIN_PONG
cdef int _RSV1
cdef int _ABNORMAL
cdef int _COPY_BYTES
cdef int _JOIN_BYTES
cdef int _COMPRESS_AT_ONCE_BYTES
cdef double _LINGER_S

cdef class WebSocketConnection(WebSocketStream):
    cdef Runtime _runtime
    cdef object _transport
    cdef object _head
    cdef object _handshake
    cdef object _scope
    cdef WriteGate _gate
    cdef WebSocketSession _session
    cdef FrameDecoder _decoder
    cdef object _deflater
    cdef Py_ssize_t _compression_min_bytes

    cdef int _state

    cdef bint _is_reading_paused
    cdef object _failure

    cdef bint _may_write_now
    cdef bint _is_flush_due
    cdef list _out
    cdef Py_ssize_t _out_bytes
    cdef bytes _late_pong
    cdef object _compressing
    cdef bytes _denial_head
    cdef bint _denial_is_chunked
    cdef Py_ssize_t _denial_room

    cdef double _heard_at
    cdef double _pinged_at
    cdef double _blocked_at
    cdef double _end_by

    cdef object _view
    cdef double _began_at
    cdef int _status
    cdef list _answer_fields
    cdef Py_ssize_t _sent_bytes

    cpdef accept(self, subprotocol, list headers)
    cpdef refuse(self, int status)
    cpdef deny_start(self, int status, list headers)
    cpdef deny_body(self, bytes body, bint more)
    cpdef deny_cut(self)
    @cython.locals(size=Py_ssize_t)
    cpdef send_message(self, payload)
    cpdef close(self, int code, str reason)
    cpdef resume_messages(self)
    cpdef messages_taken(self)
    @cython.locals(decoder=FrameDecoder, session=WebSocketSession)
    cdef _decode(self)
    cdef _answer_control(self, int opcode, payload)
    cdef _fail(self, error)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cdef _write_message(self, payload)
    @cython.locals(first_byte=int)
    cdef _write_compressed(self, payload, bytes compressed)
    @cython.locals(size=Py_ssize_t)
    cdef _write_large(self, int first_byte, bytes payload)
    cdef _write(self, bytes data)
    cdef _flush(self)
    cdef _check_open(self)
    cdef _end(self)
    cdef _drop(self, str reason)
    cdef _report(self)
