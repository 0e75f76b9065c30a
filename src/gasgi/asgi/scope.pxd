cimport cython

from gasgi._parser cimport RequestHead as ParsedHead
from gasgi.proxy.policy cimport add_root_path

@cython.locals(announced=tuple, names=tuple)
cpdef dict http_scope(ParsedHead head, dict template, dict state, dict tls)
cdef dict _own(dict tls)
