"""Read the PROXY header, version 1 or 2, that stands before the first byte of a connection. Bytes in, addresses out.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. As in gunicorn a connection without the header is served as
it comes. Whether the peer may send one is the caller's question (``ProxyPolicy.expects_proxy_header``).
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from gasgi.errors import RequestError

__all__ = ["ProxyInfo", "ProxyProtocolDecoder"]

SIGNATURE_V1 = b"PROXY "
SIGNATURE_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_V1 = 107  # section 2.1, with the line end
# Section 2.2 allows 65535; HAProxy can put a client certificate into a TLV, nothing else comes near.
LONGEST_V2 = 16 * 1024
_ADDRESS_BYTES = {1: 4, 2: 16}


class ProxyInfo:
    """What the header said. ``client`` and ``server`` are None when it named none (LOCAL, UNKNOWN, unix sockets).

    ``protocol``: TCP4, TCP6, UNIX, LOCAL, UNKNOWN, or "" for a connection that began without a header.
    """

    __slots__ = ("client", "protocol", "server")

    def __init__(
        self, protocol: str = "", client: tuple[str, int] | None = None, server: tuple[str, int] | None = None
    ) -> None:
        self.protocol = protocol
        self.client = client
        self.server = server

    def as_gunicorn(self) -> dict[str, Any] | None:
        """Return gunicorn's ``proxy_protocol_info``, None without a header."""
        if not self.protocol:
            return None
        client_host, client_port = self.client or (None, None)
        server_host, server_port = self.server or (None, None)
        return {
            "proxy_protocol": self.protocol,
            "client_addr": client_host,
            "client_port": client_port,
            "proxy_addr": server_host,
            "proxy_port": server_port,
        }


class ProxyProtocolDecoder:
    """For one connection; ``mode`` is gunicorn's ``proxy_protocol``: v1, v2 or auto. Raises RequestError once."""

    def __init__(self, mode: str) -> None:
        self._signatures = {"v1": (SIGNATURE_V1,), "v2": (SIGNATURE_V2,)}.get(mode, (SIGNATURE_V1, SIGNATURE_V2))
        self._buffer = b""

    def feed(self, data: bytes) -> ProxyInfo | None:
        """Add bytes; return the header once it is complete, or an empty one once it is clear that there is none."""
        self._buffer = buffer = self._buffer + data if self._buffer else data
        for signature in self._signatures:
            if buffer.startswith(signature):
                return self._read_v1() if signature == SIGNATURE_V1 else self._read_v2()
        if any(signature.startswith(buffer) for signature in self._signatures):
            return None
        return ProxyInfo()

    def has_signature(self) -> bool:
        """Whether the bytes so far begin as a header does, and as nothing else."""
        return self._buffer.startswith(self._signatures)

    def take_leftover(self) -> bytes:
        """Return the bytes after the header."""
        leftover, self._buffer = self._buffer, b""
        return leftover

    def _read_v1(self) -> ProxyInfo | None:
        end = self._buffer.find(b"\r\n", 0, LONGEST_V1)
        if end < 0:
            if len(self._buffer) >= LONGEST_V1:
                raise _refused("line too long")
            return None
        words = self._buffer[:end].decode("latin-1").split(" ")
        self._buffer = self._buffer[end + 2 :]
        if words[1] == "UNKNOWN":
            return ProxyInfo("UNKNOWN")  # section 2.1: the rest of the line is ignored
        if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
            raise _refused("malformed line")
        version = 4 if words[1] == "TCP4" else 6
        client = (_read_v1_host(words[2], version), _read_v1_port(words[4]))
        return ProxyInfo(words[1], client, (_read_v1_host(words[3], version), _read_v1_port(words[5])))

    def _read_v2(self) -> ProxyInfo | None:
        buffer = self._buffer
        if len(buffer) < 16:
            return None
        length = int.from_bytes(buffer[14:16], "big")
        if buffer[12] >> 4 != 2 or buffer[12] & 15 > 1:
            raise _refused("unknown version or command")
        if length > LONGEST_V2:
            raise _refused("header too long")
        if len(buffer) < 16 + length:
            return None
        self._buffer = buffer[16 + length :]
        if buffer[12] & 15 == 0:
            return ProxyInfo("LOCAL")
        return _read_v2_addresses(buffer[13] >> 4, buffer[13] & 15, buffer[16 : 16 + length])


def _refused(detail: str) -> RequestError:
    return RequestError(400, f"PROXY header: {detail}")


def _read_v1_host(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _refused("bad address") from None
    if address.version != version:
        raise _refused("address of the other family")
    return str(address)


def _read_v1_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536):
        raise _refused("bad port")
    return int(text)


def _read_v2_addresses(family: int, transport: int, block: bytes) -> ProxyInfo:
    """Read the address block (section 2.2); what follows in it are TLVs, which nobody here needs."""
    if family == 0 or transport == 0:
        return ProxyInfo("UNKNOWN")
    if transport != 1:
        raise _refused("not a stream")
    if family == 3:
        if len(block) < 216:
            raise _refused("addresses cut short")
        return ProxyInfo("UNIX")
    if family not in _ADDRESS_BYTES:
        raise _refused("unknown address family")
    size = _ADDRESS_BYTES[family]
    if len(block) < 2 * size + 4:
        raise _refused("addresses cut short")
    kind = socket.AF_INET if family == 1 else socket.AF_INET6
    ports = block[2 * size : 2 * size + 4]
    return ProxyInfo(
        "TCP4" if family == 1 else "TCP6",
        (socket.inet_ntop(kind, block[:size]), int.from_bytes(ports[:2], "big")),
        (socket.inet_ntop(kind, block[size : 2 * size]), int.from_bytes(ports[2:], "big")),
    )
