from gasgi.proxy.forwarded cimport find_element, pack_address, read_address

cdef Py_ssize_t MAX_HOPS

cpdef str add_root_path(str root_path, str path)

cdef class TrustedPeers:
    cdef bint _trusts_all
    cdef list _networks

    cpdef bint has_peer(self, host) except -1
    cpdef bint has_address(self, str host) except -1
    cdef _add(self, network)

cdef class Forwarded:
    cdef public object client
    cdef public str scheme
    cdef public object server
    cdef public str root_path
    cdef str _path_info
    cdef bint _is_stripped

    cpdef str full_path(self, str path)

cdef class ProxyPolicy:
    cdef TrustedPeers _forwarders
    cdef TrustedPeers _proxy_peers
    cdef dict _secure_values
    cdef object _forwarder_names
    cdef str _header_map
    cdef str _proxy_protocol
    cdef str _root_path
    cdef object _names
    cdef object _path_names

    cpdef bint is_trusted(self, peer_host, proxied) except -1
    cpdef bint expects_proxy_header(self, accepted) except -1
    cpdef list apply_field_policy(self, list headers, bint is_trusted)
    cpdef Forwarded rewrite(self, head, client, str scheme, server, bint is_trusted)
    cdef bint _is_forwarder_name(self, bytes name) except -1
    cdef _read(self, dict found, Forwarded result)
    cdef str _read_scheme(self, dict found)
    cdef _find_client(self, list lines, peer)
    cdef dict _find_element(self, list lines)
    cdef _read_server(self, str said_host, str said_port, Forwarded result)
    cdef _read_path(self, dict found, Forwarded result)
