from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.asgi.scope cimport http_scope
from gasgi.serving.peer cimport Peer
from gasgi.serving.runtime cimport Runtime

cpdef dict admit(Runtime runtime, Peer peer, record, ParsedHead head)
cdef _ask_proxy(Runtime runtime, Peer peer, ParsedHead head)
