cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.admission cimport admit
from gasgi.asgi.app_task cimport AppTask
from gasgi.http2.heads cimport HeadReader
from gasgi.http2.sender cimport Sender
from gasgi.http2.stream cimport Http2Stream
from gasgi.http2.streams cimport Stream
from gasgi.serving.peer cimport Peer
from gasgi.serving.runtime cimport Runtime

@cython.final
cdef class Requests:
    cdef Runtime _runtime
    cdef Peer _peer
    cdef Sender _sender
    cdef HeadReader _heads
    cdef readonly object priorities

    @cython.locals(stream=Http2Stream, exchange=AppTask)
    cpdef AppTask begin(
        self, Stream state, ParsedHead head, list fields, str flaw, bint ends_stream, refusal, double held_at
    )
    cdef AppTask _let_in(self, Http2Stream stream, ParsedHead head, double held_at)
