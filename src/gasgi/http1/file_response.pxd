from gasgi.http1.response cimport HttpWriter

cdef int UNDECIDED, LENGTH, CHUNKED

cdef class HttpFileSender(HttpWriter):
    cdef bint _drops_body(self) except -1
