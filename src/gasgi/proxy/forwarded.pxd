cpdef bytes pack_address(str host)
cpdef tuple read_address(str text)

cpdef Py_ssize_t find_element(bytes value, Py_ssize_t end) except -1
cdef Py_ssize_t _find_opening_quote(bytes value, Py_ssize_t low, Py_ssize_t closing) except -2
