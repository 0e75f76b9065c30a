cimport cython

from gasgi.http2.sink cimport FrameSink

cdef Py_ssize_t HEAD_BYTES
cdef int MAX_CONTINUATIONS
cdef int DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION
cdef int PRIORITY_UPDATE
cdef int ACK, END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY
cdef int ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES
cdef long long MAX_WINDOW, MAX_FRAME_SIZE_MIN, MAX_FRAME_SIZE_MAX

@cython.final
cdef class FrameReader:
    cdef FrameSink _sink
    cdef Py_ssize_t _max_frame_bytes
    cdef Py_ssize_t _max_block_bytes

    cdef bytes _data
    cdef Py_ssize_t _position
    cdef bint _is_paused
    cdef bint _is_stopped

    cdef Py_ssize_t _preface_bytes
    cdef bint _has_settings

    cdef int _type
    cdef int _flags
    cdef long long _stream_id
    cdef Py_ssize_t _length
    cdef bytearray _partial
    cdef Py_ssize_t _data_left
    cdef Py_ssize_t _padding
    cdef Py_ssize_t _skip

    cdef long long _block_stream
    cdef bytearray _block
    cdef int _block_flags
    cdef bint _is_block_broken
    cdef int _continuations

    cpdef feed(self, bytes data)
    cpdef pause(self)
    cpdef resume(self)
    cpdef stop(self)
    cpdef bint is_held(self) except -1
    cpdef bint is_in_block(self) except -1
    cpdef bint has_begun(self) except -1
    cdef _read_preface(self)
    @cython.locals(available=Py_ssize_t, size=Py_ssize_t)
    cdef bint _read_on(self) except -1
    @cython.locals(data=bytes, position=Py_ssize_t, length=Py_ssize_t, frame_type=int, stream_id="long long")
    cdef int _read_frame(self) except -1
    cdef int _check_head(self, int frame_type, Py_ssize_t length, long long stream_id) except -1
    cdef int _check_connection_frame(self, int frame_type, Py_ssize_t length, long long stream_id) except -1
    cdef int _check_continuation(self, Py_ssize_t length) except -1
    cdef int _begin_data(self) except -1
    @cython.locals(data=bytes, position=Py_ssize_t, window_bytes=Py_ssize_t, size=Py_ssize_t, is_whole=bint)
    cdef int _read_data(self) except -1
    @cython.locals(missing=Py_ssize_t, piece=bytes)
    cdef bint _read_partial(self, bytearray partial) except -1
    @cython.locals(frame_type=int, stream_id="long long", increment="long long")
    cdef int _read_payload(self, bytes payload) except -1
    @cython.locals(flags=int, start=Py_ssize_t, stop=Py_ssize_t, is_broken=bint)
    cdef _read_headers(self, bytes payload)
    cdef _read_continuation(self, bytes payload)

@cython.locals(number="long long")
cdef long long _number_at(bytes payload, Py_ssize_t i) except -1
@cython.locals(i=Py_ssize_t, setting="long long", value="long long")
cpdef list read_settings(bytes payload)
