cimport cython

cdef int DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION
cdef int ACK, END_STREAM, END_HEADERS

cpdef bytes encode_ping_ack(bytes payload)
cpdef bytes encode_window_update(long long stream_id, long long increment)
cpdef bytes encode_reset(long long stream_id, long long code)
@cython.locals(flags=int, length=Py_ssize_t, start=Py_ssize_t, parts=list, piece=bytes, is_last=bint)
cpdef bytes encode_headers(long long stream_id, bytes block, bint ends_stream, Py_ssize_t max_frame_bytes)
cpdef bytes encode_data_head(long long stream_id, Py_ssize_t length, bint ends_stream)
cdef bytes _encode_head(Py_ssize_t length, int frame_type, int flags, long long stream_id)
