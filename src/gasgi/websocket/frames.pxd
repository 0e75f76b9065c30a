cimport cython

cdef int _CONTINUATION
cdef int _TEXT
cdef int _BINARY
cdef int _CLOSE
cdef int _PONG
cdef int _FIN
cdef int _RSV1
cdef int _RSV23
cdef int NO_STATUS, PROTOCOL_ERROR, TOO_BIG, INVALID_DATA
cdef int _MAX_CONTROL_BYTES
cdef int _INFLATE_SLACK
cdef Py_ssize_t _FRAMES_PER_TURN
cdef Py_ssize_t _FRAMES_PER_READ
cdef Py_ssize_t _INFLATED_FRAME_BYTES

@cython.final
cdef class FrameDecoder:
    cdef Py_ssize_t _max_message_bytes
    cdef Py_ssize_t _max_compressed_bytes
    cdef object _inflater

    cdef public bint is_message
    cdef public int opcode
    cdef public object payload
    cdef public int close_code

    cdef public bint needs_turn
    cdef Py_ssize_t _turn_frames
    cdef bint _is_inflating

    cdef bytes _data
    cdef Py_ssize_t _position
    cdef bint _is_finished
    cdef bint _is_discarding

    cdef int _message_opcode
    cdef bint _is_compressed
    cdef object _buffer
    cdef Py_ssize_t _message_bytes

    cdef bint _is_in_frame
    cdef bint _is_final
    cdef Py_ssize_t _remaining

    cpdef feed(self, bytes data)
    cpdef bint holds_bytes(self) except -1
    cpdef bint advance(self) except -1
    cpdef stop(self)
    cpdef discard(self)
    @cython.locals(data=bytes, size=Py_ssize_t, position=Py_ssize_t, first=int, second=int, opcode=int,
                   length=Py_ssize_t)
    cdef bint _advance(self) except -1
    @cython.locals(opcode=int)
    cdef int _check_start(self, int first, int second) except -1
    cdef Py_ssize_t _read_length(self, bytes data, Py_ssize_t position, int form) except -2
    @cython.locals(limit=Py_ssize_t)
    cdef int _check_size(self, int first, Py_ssize_t length) except -1
    cdef int _begin_frame(self, int first, bytes data, Py_ssize_t position, Py_ssize_t length) except -1
    cdef int _begin_skipping(self, int first, Py_ssize_t position, Py_ssize_t length) except -1
    @cython.locals(available=Py_ssize_t)
    cdef bint _skip_frame(self) except -1
    @cython.locals(position=Py_ssize_t, available=Py_ssize_t, is_whole=bint)
    cdef bint _continue_frame(self) except -1
    @cython.locals(is_text=bint)
    cdef bint _end_message(self) except -1
    cdef bint _take_inflated(self, bytes inflated) except -1
    cdef _end_control(self, int opcode, bytes payload)

cpdef bytes encode_close(int code, str reason)
cdef int _read_close_code(bytes payload) except -1
cdef str _decode_text(bytes data)
cdef str _unmask_text(bytes data, Py_ssize_t start, Py_ssize_t stop)
