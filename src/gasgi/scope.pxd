cpdef dict http_scope(head, dict template, dict state, dict tls)
cdef dict _own(dict tls)
