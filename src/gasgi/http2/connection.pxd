cimport cython

from gasgi._hpack cimport HpackDecoder as Decoder
from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.admission cimport admit
from gasgi.asgi.app_task cimport AppTask
from gasgi.http2.encoder cimport encode_ping_ack, encode_reset, encode_window_update
from gasgi.http2.floods cimport FloodGuard
from gasgi.http2.frames cimport FrameReader
from gasgi.http2.heads cimport HeadReader, check_trailers
from gasgi.http2.sender cimport Queued, Sender
from gasgi.http2.sink cimport FrameSink
from gasgi.http2.stream cimport Http2Stream
from gasgi.http2.streams cimport Stream, Streams
from gasgi.serving.deadlines cimport Deadlines
from gasgi.serving.flow cimport WriteGate
from gasgi.serving.peer cimport Peer
from gasgi.serving.runtime cimport Runtime

cdef int EMPTY_DATA, PINGS, PRIORITIES, PROVOKED_RESETS, RESETS, SETTINGS_FRAMES, UNKNOWN_FRAMES, WINDOW_UPDATES
cdef int NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, SETTINGS_TIMEOUT

@cython.final
cdef class Http2Connection(FrameSink):
    cdef Runtime _runtime
    cdef object _proxied
    cdef object _transport
    cdef Peer _peer
    cdef object _priorities
    cdef WriteGate _gate
    cdef Streams _streams
    cdef FloodGuard _guard
    cdef Sender _sender
    cdef FrameReader _reader
    cdef Decoder _decoder
    cdef Py_ssize_t _max_running
    cdef HeadReader _heads
    cdef Deadlines _deadlines

    cdef double _settings_at
    cdef bint _is_ending
    cdef double _held_at
    cdef double _shut_at
    cdef object _leaving

    cpdef sweep(self, double now)
    cpdef take_turn(self)
    cdef bint _is_idle(self) except -1
    @cython.locals(stream=Http2Stream, head=ParsedHead, exchange=AppTask)
    cdef _begin(self, Stream state, list fields, bint ends_stream, refusal)
    cdef _break(self, exc)
    @cython.locals(owner=Queued)
    cdef _lose(self, Stream state)
    cdef _shut(self)
    cdef _drop(self)
    cdef _close_when_empty(self)
    cdef _end(self, long long code, str text)
