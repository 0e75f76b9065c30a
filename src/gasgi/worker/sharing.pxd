cimport cython

from gasgi.reporting.scoreboard cimport Slot

cdef double SLACK, SLACK_SHARE, FAR, FAR_SHARE, MICROSECONDS
cdef long long PATIENCE_US, PACE_US, STALE_US, TAKEN_MEANWHILE
cdef Py_ssize_t PLENTY, MOST_BURST, SLOT_NUMBERS, BEAT, LOOK, IS_ACCEPTING, CONNECTIONS, ACCEPTED

@cython.final
cdef class Sharing:
    cdef Slot _slot
    cdef object _count_waiting
    cdef long long[::1] _numbers
    cdef Py_ssize_t _own

    cdef Py_ssize_t _siblings
    cdef Py_ssize_t _hearing
    cdef long long _connections
    cdef long long _connections_hearing
    cdef double _mean
    cdef double _mean_hearing
    cdef long long _accepted

    cdef bint _is_spreading
    cdef dict _deaf
    cdef long long _patient_since
    cdef long long _accepted_then
    cdef Py_ssize_t _burst
    cdef long long _burst_at

    @cython.locals(now_us="long long", room=Py_ssize_t, waiting="long long")
    cpdef Py_ssize_t room(self, Py_ssize_t held, double now) except -1
    cpdef rest(self)
    @cython.locals(slack=double)
    cdef Py_ssize_t _share(self, double mean) except -1
    @cython.locals(part=Py_ssize_t, share=Py_ssize_t)
    cdef Py_ssize_t _room_beside_hearing(self, Py_ssize_t held, long long waiting) except? -1
    @cython.locals(burst=Py_ssize_t)
    cdef Py_ssize_t _take_instead(self, Py_ssize_t most, long long now_us) except -1
    cdef _be_patient(self, long long now_us)
    @cython.locals(siblings=Py_ssize_t, hearing=Py_ssize_t, connections="long long", of_hearing="long long",
                   accepted="long long", place=Py_ssize_t, at=Py_ssize_t,
                   numbers="long long[::1]")
    cdef _look_at_siblings(self, long long now_us)
    cdef bint _is_deaf(self, Py_ssize_t place, long long looked_at) except -1
    @cython.locals(place=Py_ssize_t, at=Py_ssize_t)
    cdef _note_deaf(self)
