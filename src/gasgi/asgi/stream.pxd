cdef class HttpStream:
    cpdef prepare_head(self, int status, headers, bint has_trailers)
    cpdef send_body(self, bytes body, bint more)
    cpdef send_informational(self, int status, headers)
    cpdef send_trailers(self, headers, bint more)
    cpdef send_file(self, file, offset, count, bint more)
    cpdef want_body(self)
    cpdef fail(self)
    cpdef exchange_ended(self)
