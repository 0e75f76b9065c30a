cimport cython

@cython.final
cdef class Record:
    cdef object _observer
    cdef object _view
    cdef double _began_at

    cpdef begin(self, head, client, server, str scheme, proxied)
    cpdef bint has_begun(self) except -1
    cpdef end(self, int status, fields, long long sent_bytes)
