cimport cython

from gasgi._hpack cimport HpackEncoder as Encoder
from gasgi.asgi.app_task cimport AppTask
from gasgi.asgi.stream cimport HttpStream
from gasgi.http2.encoder cimport encode_data_head, encode_headers, encode_reset, encode_window_update
from gasgi.http2.floods cimport FloodGuard
from gasgi.http2.pieces cimport Pieces
from gasgi.http2.streams cimport Stream, Streams
from gasgi.reporting.timing cimport Timing
from gasgi.serving.flow cimport WriteGate
from gasgi.serving.outbox cimport Outbox
from gasgi.serving.runtime cimport Runtime

cdef Py_ssize_t FLUSH_BYTES, JOIN_BYTES, TURN_BYTES

cdef class Queued(HttpStream):
    cdef public Stream state
    cdef public long long number
    cdef public int rank
    cdef public bint is_endless
    cdef public AppTask exchange
    cdef public Pieces waiting
    cdef public bint is_in_row
    cdef public int looks

    cpdef receive(self, bytes piece, bint ends_stream)
    cpdef lose(self)
    cpdef drain(self)
    cpdef Py_ssize_t send_frame(self) except -1
    cpdef bint stays(self) except -1
    cpdef bint waits(self) except -1

@cython.final
cdef class Sender:
    cdef public Runtime runtime
    cdef public WriteGate gate
    cdef public Outbox outbox
    cdef public Streams streams
    cdef public FloodGuard guard
    cdef public Encoder encoder
    cdef public object on_empty
    cdef public object on_quiet
    cdef public Py_ssize_t max_frame_bytes
    cdef public Py_ssize_t running
    cdef public Py_ssize_t websockets
    cdef public Py_ssize_t held
    cdef public Py_ssize_t withheld
    cdef public bint is_watched
    cdef public Py_ssize_t number
    cdef public double last_active
    cdef public double sent_at
    cdef public object row
    cdef public bint has_ranks
    cdef bint _is_turn_due
    cdef bytes _server_line
    cdef tuple _server
    cdef bytes _date_line
    cdef tuple _date

    cpdef tuple server(self)
    cpdef tuple date(self)
    cpdef bytes head(self, long long number, int status, fields, bint ends_stream)
    cpdef bytes trailers(self, long long number, fields)
    cpdef say(self, bytes frames)
    cpdef obey(self, list settings)
    cpdef withhold(self)
    @cython.locals(outbox=Outbox)
    cpdef put_data(self, Stream stream, bytes body, Py_ssize_t size, bint ends)
    @cython.locals(increment=Py_ssize_t)
    cpdef give_back(self, Stream stream, Py_ssize_t size)
    @cython.locals(gate=WriteGate)
    cpdef pace(self, bint is_idle, Timing timing)
    cpdef reset(self, Stream stream, long long code)
    cpdef stream_over(self)
    cpdef app_over(self)
    cpdef bint is_behind(self, Queued stream, double now) except -1
    cpdef double due_in(self, double seconds) except? -1
    cpdef hold_head(self)
    cpdef bint holds_head(self) except -1
    cpdef send_held_head(self)
    cpdef Py_ssize_t room(self, Stream stream) except -1
    cpdef queue(self, Queued stream)
    @cython.locals(stream=Queued, left=Py_ssize_t)
    cpdef pump(self)
    cpdef clear(self)
