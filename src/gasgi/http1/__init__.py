"""HTTP/1.1 (RFC 9112): bytes of a connection into requests, responses into bytes.

With websocket the only code that calls a transport.
"""
