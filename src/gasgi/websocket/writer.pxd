cimport cython

from gasgi.serving.flow cimport WriteGate
from gasgi.serving.runtime cimport Runtime
from gasgi.asgi.websocket cimport WebSocketStream

cdef int _FIN_TEXT, _FIN_BINARY, _RSV1
cdef Py_ssize_t _KEPT_FROM_BYTES, _KEPT_TO_BYTES
cdef object _latest
cdef bytes _latest_frame
cdef Py_ssize_t _COPY_BYTES, _JOIN_BYTES, _COMPRESS_AT_ONCE_BYTES, _TURN_BYTES, _MESSAGE_BYTES, _COMPRESSED_WEIGHT

@cython.locals(size=Py_ssize_t)
cdef bytes _kept_frame(int first_byte, payload)

cdef class WebSocketWriter(WebSocketStream):
    cdef Runtime _runtime
    cdef object _transport
    cdef WriteGate _gate
    cdef object _deflater
    cdef Py_ssize_t _compression_min_bytes

    cdef bint _may_write_now
    cdef bint _is_flush_due
    cdef list _out
    cdef Py_ssize_t _out_bytes
    cdef Py_ssize_t _turn_bytes

    cdef object _waiting
    cdef object _slices
    cdef list _parts

    cdef Py_ssize_t _sent_bytes

    @cython.locals(before=Py_ssize_t, data=bytes)
    cpdef send_message(self, payload)
    cdef bint _is_open(self) except -1
    @cython.locals(frame=bytes)
    cdef _write_message(self, payload)
    cdef _write_frame(self, int first_byte, bytes payload)
    cdef _queue_message(self, payload)
    @cython.locals(size=Py_ssize_t)
    cdef _write_large(self, int first_byte, bytes payload)
    cdef _write(self, bytes data)
    cdef _flush(self)
    cdef Py_ssize_t _write_some(self, bytes data, bint is_text, written) except -1
    cdef _tell_first(self, error)
