cdef class Runtime:
    cdef public object loop
    cdef public object app
    cdef public object settings
    cdef public object log
    cdef public object access_log
    cdef public object base_context
    cdef public dict state
    cdef public double now
    cdef public bytes default_fields
    cdef public bint is_draining
    cdef public set connections
    cdef public set exchanges
    cdef public Py_ssize_t requests_completed
