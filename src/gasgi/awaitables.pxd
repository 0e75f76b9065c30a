cdef class Finished:
    cdef public object value

cdef class _Done(Finished):
    pass
