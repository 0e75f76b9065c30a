cdef class Runtime:
    cdef public object loop
    cdef public object app
    cdef public object settings
    cdef public object log
    cdef public object observer
    cdef public object base_context
    cdef public dict state
    cdef public double now
    cdef public bytes server_field
    cdef public bytes date_field
    cdef public bint is_draining
    cdef public set connections
    cdef public set exchanges
    cdef public Py_ssize_t requests_completed
