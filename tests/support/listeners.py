"""Ask Linux about the sockets that listen, as ss does: sock_diag(7), for which no program is needed."""

from __future__ import annotations

import socket
import struct

__all__ = ["backlogs"]

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, pid
# struct inet_diag_req_v2: family, protocol, ext, pad, states; no socket in particular
_REQUEST = struct.Struct("=BBBxI48x")
_LISTENING = 1 << 10  # TCP_LISTEN
# struct inet_diag_msg: state and timers, source port, destination port, addresses, …, rqueue, wqueue
_SOURCE_PORT = struct.Struct("!4xH")
_WRITE_QUEUE = struct.Struct("=60xI")


def backlogs(port: int) -> list[int]:
    """Return the backlog of each IPv4 socket that listens at ``port``."""
    found: list[int] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(10)
        body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _LISTENING)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0) + body)
        while True:
            answer = kernel.recv(65536)
            while answer:
                length, kind = _HEADER.unpack_from(answer)[:2]
                if kind == _NLMSG_DONE:
                    return found
                assert kind != _NLMSG_ERROR, "sock_diag refused"
                message = answer[_HEADER.size : length]
                if _SOURCE_PORT.unpack_from(message)[0] == port:
                    # For a socket that listens this is what listen() was told, bounded by net.core.somaxconn.
                    found.append(_WRITE_QUEUE.unpack_from(message)[0])
                answer = answer[(length + 3) & ~3 :]
