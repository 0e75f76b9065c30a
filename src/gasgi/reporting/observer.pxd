from gasgi.reporting.access_log cimport AccessLog
from gasgi.reporting.gunicorn_view cimport RequestView, ResponseView

cdef class Observer:
    cdef object _worker
    cdef object _log
    cdef AccessLog _access_log
    cdef object _metrics
    cdef object _access
    cdef object _pre_request
    cdef object _post_request

    cpdef RequestView begin(self, head, client, server, str scheme, proxied=*)
    cpdef end(self, RequestView view, int status, headers, sent_bytes, double duration_s)
