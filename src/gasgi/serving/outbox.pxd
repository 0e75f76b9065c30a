cimport cython

from gasgi.serving.flow cimport WriteGate

cdef Py_ssize_t FLUSH_BYTES, JOIN_BYTES
cdef double HOLD_S

@cython.final
cdef class Outbox:
    cdef object _loop
    cdef WriteGate _gate
    cdef public object transport

    cdef list _pieces
    cdef public Py_ssize_t size
    cdef bint _is_flush_due
    cdef Py_ssize_t _answers_held
    cdef double _flush_by

    cpdef put(self, bytes data)
    cpdef flush_soon(self)
    cpdef hold_answer(self)
    cpdef flush(self)
    cpdef clear(self)
