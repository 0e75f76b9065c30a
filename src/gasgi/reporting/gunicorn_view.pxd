cimport cython

cpdef str to_text(bytes value)

cdef class RequestView:
    cdef public object head
    cdef public object client
    cdef public object server
    cdef public str scheme
    cdef public object proxy_protocol_info
    cdef list _headers
    cdef dict _environ
    # Hooks keep notes on the request ("req.start = time()").
    cdef dict __dict__

    @cython.locals(field_name=bytes, value=bytes, found=str, repeated=list)
    cpdef str find_field(self, bytes name)
    cdef dict _make_environ(self)

cdef class ResponseView:
    cdef public int status_code
    cdef public object fields
    cdef public object sent
    cdef public double duration_s
    cdef list _headers
    cdef dict __dict__
