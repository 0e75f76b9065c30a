cimport cython

cdef Py_ssize_t SLOT_NUMBERS
cdef Py_ssize_t PID, BEAT, LOOK, IS_ACCEPTING, CONNECTIONS, ACCEPTED, STARTS
cdef double MICROSECONDS

@cython.final
cdef class Slot:
    cdef readonly long long[::1] numbers
    cdef readonly Py_ssize_t index
    cdef readonly Py_ssize_t at

    cdef _clear(self)
    cpdef look(self, double now)
    cpdef hold(self, Py_ssize_t connections)
    cpdef count_accepted(self)
