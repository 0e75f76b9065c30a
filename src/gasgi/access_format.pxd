from gasgi.gunicorn_view cimport RequestView, ResponseView

cdef class AccessFormat:
    cdef public str time_text
    cdef str _template
    cdef list _atoms

    cpdef str render(self, RequestView request, ResponseView response)

cdef class RequestField:
    cdef bytes name

cdef class ResponseField:
    cdef bytes name

cdef class EnvironVariable:
    cdef str name
