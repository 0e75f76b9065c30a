from gasgi.proxy.policy cimport ProxyPolicy
from gasgi.reporting.meter cimport Meter
from gasgi.reporting.scoreboard cimport Slot
from gasgi.reporting.slow_requests cimport SlowRequests
from gasgi.serving.quiet_heads cimport QuietHeads
from gasgi.serving.turns cimport Turns

cdef bint HAS_TASK_CONTEXT

cdef class Runtime:
    cdef public object loop
    cdef public object app
    cdef public object settings
    cdef public object log
    cdef public object observer
    cdef public object base_context
    cdef public bint has_task_factory
    cdef public ProxyPolicy proxy
    cdef public object head_limits
    cdef public object field_reader
    cdef public object tls_info
    cdef public tuple announced
    cdef public double keep_alive_s
    cdef public Py_ssize_t limit_concurrency
    cdef public dict state
    cdef public Slot slot
    cdef public SlowRequests slow
    cdef public Meter meter
    cdef public Py_ssize_t closes_due
    cdef public double now
    cdef public bytes server_field
    cdef public bytes date_field
    cdef public bint is_draining
    cdef public double quiet_s
    cdef public bint ends_streams
    cdef public object on_room
    cdef public Py_ssize_t max_requests
    cdef public object on_quota
    cdef public set connections
    cdef public set conversations
    cdef public Py_ssize_t connections_ended
    cdef public Py_ssize_t requests_completed
    cdef public Turns turns
    cdef public QuietHeads quiet_heads

    cpdef spawn(self, coro)
    cpdef forget(self, connection)
    cpdef count_request(self)
