"""What other compiled modules call without going through Python."""

cpdef Py_ssize_t held_bytes(payload) except -1
