"""HTTP/2 (RFC 9113): bytes of a connection into streams of requests, responses into frames."""
