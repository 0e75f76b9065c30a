cimport cython

from gasgi.quoting cimport quote
from gasgi.reporting.gunicorn_view cimport RequestView, ResponseView, to_text

# Called through Python, but with typed parameters their attributes are C fields.
cpdef _dash(RequestView request, ResponseView response)
cpdef _remote_host(RequestView request, ResponseView response)
cpdef _user(RequestView request, ResponseView response)
cpdef _request_line(RequestView request, ResponseView response)
cpdef _status(RequestView request, ResponseView response)
cpdef _method(RequestView request, ResponseView response)
cpdef _path(RequestView request, ResponseView response)
cpdef _query(RequestView request, ResponseView response)
cpdef _protocol(RequestView request, ResponseView response)
cpdef _sent_text(RequestView request, ResponseView response)
cpdef _sent(RequestView request, ResponseView response)
cpdef _referer(RequestView request, ResponseView response)
cpdef _user_agent(RequestView request, ResponseView response)
cpdef _microseconds(RequestView request, ResponseView response)
cpdef _milliseconds(RequestView request, ResponseView response)
cpdef _seconds(RequestView request, ResponseView response)
cpdef _decimal_seconds(RequestView request, ResponseView response)
cpdef _process(RequestView request, ResponseView response)

cdef class AccessFormat:
    cdef public str time_text
    cdef object _table
    cdef str _template
    cdef list _pieces
    cdef bint _is_plain
    cdef list _atoms

    @cython.locals(line=list, place=Py_ssize_t)
    cpdef str render(self, RequestView request, ResponseView response)

cdef class RequestField:
    cdef bytes name

cdef class ResponseField:
    cdef bytes name

cdef class EnvironVariable:
    cdef str name
