"""What ``make run TLS=1`` adds to the demonstration: HTTP/2 beside HTTP/1.1, by ALPN."""

http_protocols = "h2,h1"
