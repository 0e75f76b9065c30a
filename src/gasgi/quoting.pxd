cimport cython

cpdef str quote(str text)
@cython.locals(letter=Py_UCS4)
cdef bint _is_plain(str text)
