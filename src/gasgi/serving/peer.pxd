cimport cython

@cython.final
cdef class Peer:
    cdef public bint is_tls
    cdef public str scheme
    cdef public object client
    cdef public object server
    cdef public bint is_trusted
    cdef public object proxied
    cdef public dict tls
    cdef public dict template
