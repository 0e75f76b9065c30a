from gasgi.reporting.gunicorn_view cimport RequestView, ResponseView

# Called through Python, but with typed parameters their attributes are C fields.
cpdef _client(RequestView request, ResponseView response)
cpdef _method(RequestView request, ResponseView response)
cpdef _path(RequestView request, ResponseView response)
cpdef _query(RequestView request, ResponseView response)
cpdef _protocol(RequestView request, ResponseView response)
cpdef _status(RequestView request, ResponseView response)
cpdef _bytes(RequestView request, ResponseView response)
cpdef _duration(RequestView request, ResponseView response)
cpdef _referer(RequestView request, ResponseView response)
cpdef _user_agent(RequestView request, ResponseView response)
