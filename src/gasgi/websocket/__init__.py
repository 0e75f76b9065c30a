"""WebSockets (RFC 6455): bytes into messages and back, on a connection that HTTP has upgraded."""
