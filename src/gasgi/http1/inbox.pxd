cimport cython

from gasgi._parser cimport HeadParser as CompiledHeadParser
from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.http1.body cimport MessageBody
from gasgi.serving.pieces cimport add_piece
from gasgi.serving.runtime cimport Runtime

cdef Py_ssize_t HOLD_BYTES, WINDOW_BYTES

@cython.final
cdef class Inbox:
    cdef Runtime _runtime
    cdef CompiledHeadParser _parser
    cdef public object transport

    cdef public MessageBody body
    cdef public bint is_behind
    cdef bytes _held
    cdef Py_ssize_t _held_at
    cdef list _late
    cdef Py_ssize_t _late_bytes
    cdef public bint is_paused
    cdef public bint is_eof

    cpdef ParsedHead read_head(self, bytes data)
    cpdef ParsedHead next_head(self)
    cpdef bint is_in_head(self) except -1
    cpdef begin_body(self, ParsedHead head)
    @cython.locals(start=Py_ssize_t, left=Py_ssize_t, body=bytes)
    cpdef bytes take_whole_body(self, Py_ssize_t length)
    @cython.locals(body=MessageBody, piece=bytes, leftover=bytes)
    cpdef bytes read_body(self, bytes data)
    @cython.locals(body=MessageBody, piece=bytes, window=bytes)
    cpdef bytes next_piece(self, Py_ssize_t size)
    cpdef bint has_bytes(self) except -1
    cpdef hold(self, bytes data)
    cpdef bytes take(self)
    cpdef clear(self)
    cdef bytes _take_window(self, Py_ssize_t size)
    cpdef pause(self)
    cpdef resume(self)
