cimport cython

cdef int LENGTH_DIGITS, ZERO, NINE

@cython.locals(number="long long", digit=int)
cpdef long long content_length_of(bytes value) except -1
cpdef long long take_length(long long left, Py_ssize_t size, bint more) except -1
