from gasgi.http1.file_response cimport HttpFileSender

cdef int IDLE, HEAD, REQUEST, DISCARDING, LINGERING, CLOSED
cdef double LINGER_S, QUIET_S

cdef class HttpEnding(HttpFileSender):
    cdef object _proxied
    cdef object _client
    cdef dict _template

    cdef int _phase
    cdef object _body
    cdef bytes _held
    cdef list _late
    cdef bint _is_reading_paused
    cdef bint _is_eof
    cdef bint _is_half_closed
    cdef bint _must_linger

    cdef double _read_deadline
    cdef double _write_deadline
    cdef double _cancel_at
    cdef Py_ssize_t _unsent
    cdef double _last_active
    cdef long long _seen_bytes

    cdef object _view
    cdef double _started

    cpdef sweep(self, double now)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cdef _begin_grace(self)
    cdef _end_grace(self)
    cdef _become_idle(self)
    cdef _refuse(self, exc)
    cdef _on_read_deadline(self)
    cdef _linger(self)
    cdef _close(self)
    cdef _set_read_deadline(self, double seconds)
    cdef _set_write_deadline(self)
    cdef _observe_begin(self, dict template)
    cdef _observe_end(self, int status)
