cpdef bytes pack_address(str host)
cpdef tuple read_address(str text)
