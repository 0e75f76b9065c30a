cdef Py_ssize_t STEPS_PER_LOOK
cdef double TURN_S

cdef class Turns:
    cdef object _loop
    cdef object _clock
    cdef Py_ssize_t _most
    cdef object _waiting
    cdef object _put_off
    cdef public Py_ssize_t unstarted
    cdef Py_ssize_t _left
    cdef Py_ssize_t _steps
    cdef Py_ssize_t _look_before
    cdef double _began_at
    cdef bint _is_expected
    cdef Py_ssize_t _begun
    cdef double _marked_at

    cpdef bint is_over(self) except -1
    cpdef wait(self, connection)
    cpdef bint may_run(self) except -1
    cpdef put_off(self)
    cdef bint _look(self) except -1
    cdef _expect(self)
    cdef _measure(self)
    cdef _shorten(self, Py_ssize_t begun, double took)
