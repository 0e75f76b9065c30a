cimport cython

@cython.locals(letter=Py_UCS4)
cpdef str quote(str text)
