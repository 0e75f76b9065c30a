cimport cython

cdef long long DEFAULT_WINDOW, MAX_WINDOW
cdef int _UNKNOWN, _ENDED, _RESET_BY_CLIENT, _RESET_HERE
cdef int _REMEMBERED

@cython.final
cdef class Stream:
    cdef public long long number
    cdef public int state
    cdef public object owner
    cdef public long long send_window
    cdef public long long receive_window
    cdef public long long credit
    cdef public long long length_left

@cython.final
cdef class Streams:
    cdef public Py_ssize_t max_streams
    cdef long long _stream_window
    cdef long long _opening_window
    cdef long long _connection_window

    cdef dict _streams
    cdef public long long last_number
    cdef bint _is_shut
    cdef list _ends

    cdef public long long send_window
    cdef public long long initial_send_window
    cdef public long long receive_window
    cdef public long long credit

    cpdef list owners(self)
    cpdef Stream get(self, long long number)
    cpdef Stream receive_headers(self, long long number, bint ends_stream)
    cpdef Stream receive_data(self, long long number, Py_ssize_t size, Py_ssize_t window_bytes, bint ends_stream)
    cpdef expect_length(self, Stream stream, long long length)
    cpdef Stream receive_reset(self, long long number)
    cpdef Stream receive_window_update(self, long long number, long long increment)
    @cython.locals(change="long long", stream=Stream)
    cpdef receive_initial_window(self, long long size)
    @cython.locals(change="long long", stream=Stream)
    cpdef settle_window(self)
    cpdef receive_broken_frame(self, long long number, long long code, str text)
    cpdef end_local(self, Stream stream)
    cpdef reset(self, Stream stream)
    @cython.locals(size="long long")
    cpdef Py_ssize_t sendable(self, Stream stream) except -1
    cpdef take_send_window(self, Stream stream, Py_ssize_t size)
    @cython.locals(increment="long long")
    cpdef Py_ssize_t give_back(self, Stream stream, Py_ssize_t size) except -1
    @cython.locals(increment="long long")
    cpdef Py_ssize_t take_credit(self) except -1
    cpdef shut(self)
    cdef Stream _open(self, long long number, bint ends_stream)
    cdef bint _is_idle(self, long long number) except -1
    cdef int _check_not_idle(self, long long number, str what) except -1
    cdef int _check_closed(self, long long number, str what) except -1
    cdef int _end_remote(self, Stream stream) except -1
    cdef int _close(self, Stream stream, int end) except -1
    cdef int _remember(self, long long number, int end) except -1
    @cython.locals(end="long long")
    cdef int _end_of(self, long long number) except -1
