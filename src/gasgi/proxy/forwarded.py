"""Read the values of forwarding fields: addresses, hosts and RFC 7239 ``Forwarded``. Text in, values out; no policy."""

from __future__ import annotations

import re
import socket

from gasgi.errors import RequestError

__all__ = ["MAX_ELEMENT_BYTES", "find_element", "pack_address", "read_address", "read_element", "read_host"]

# An element names two addresses, a host and a scheme: 400 bytes at most, and reading one costs what it is long.
MAX_ELEMENT_BYTES = 512
# RFC 7239, 4: a pair is token "=" ( token / quoted-string ); pairs are parted by ";", elements by ",".
_PAIR = re.compile(r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,=]*))[ \t]*(?:;|$)""")
_EMPTY = re.compile(r"[ \t]*(?:;|$)")
_BACKSLASH = 92
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~-]+)(?::([0-9]{1,5}))?")
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, 2.5.5.2: what a socket that listens on [::] makes of IPv4 peers


def read_address(text: str) -> tuple[str, int] | None:
    """Read ``192.0.2.1``, ``2001:db8::1``, either with a port; port 0 when it has none, None for anything else."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and rest[0] != ":"):
            return None
        port = rest[1:]
        if rest and not port:
            return None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            return None
    packed = pack_address(host)
    if packed is None or not ((port.isascii() and port.isdigit()) or not port) or len(port) > 5:
        return None
    number = int(port) if port else 0
    if number > 65535:
        return None
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed), number


def pack_address(host: str) -> bytes | None:
    """Return the 4 or 16 bytes of an address, None for anything else; an IPv4 address in IPv6 clothes has 4."""
    try:
        if ":" not in host:
            return socket.inet_pton(socket.AF_INET, host)
        packed = socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def read_host(text: str) -> tuple[str, int | None]:
    """Split a Host value; raise RequestError(400) for what is none."""
    match = _HOST.fullmatch(text)
    if match is None:
        raise RequestError(400, f"bad host from the proxy: {text!r}")
    port = int(match.group(2)) if match.group(2) else None
    if port is not None and not 0 < port < 65536:
        raise RequestError(400, f"bad host from the proxy: {text!r}")
    return match.group(1).strip("[]"), port


def find_element(value: bytes, end: int) -> int:
    """Return where the last element of ``value[:end]`` begins; raise RequestError(400) when it is too long.

    Read from the right: nothing left of an element, such as a quote without an end, changes where it begins.
    """
    low = max(0, end - MAX_ELEMENT_BYTES)
    at = end
    while True:
        comma = value.rfind(b",", low, at)
        quote = value.rfind(b'"', max(low, comma), at)
        if quote < 0:
            if comma < 0 and low > 0:
                break
            return comma + 1
        at = _find_opening_quote(value, low, quote)  # the comma may stand within the quotes
        if at < 0:
            if low > 0:
                break
            return 0
    raise RequestError(400, f"an element of Forwarded is longer than {MAX_ELEMENT_BYTES} bytes")


def _find_opening_quote(value: bytes, low: int, closing: int) -> int:
    """Return the nearest quote left of ``closing`` that no backslash escapes, -1 when there is none."""
    at = closing
    while True:
        at = value.rfind(b'"', low, at)
        if at < 0:
            return -1
        before = at
        while before > low and value[before - 1] == _BACKSLASH:
            before -= 1
        if (at - before) % 2 == 0:
            return at


def read_element(text: str) -> dict[str, str]:
    """Return the pairs of an element of ``Forwarded``, names in lower case; raise RequestError(400)."""
    element: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is not None:
            name = match.group(1).lower()
            if name in element:
                raise RequestError(400, f"{name} twice in one element of Forwarded")
            quoted = match.group(2)
            element[name] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match.group(3)
        else:
            match = _EMPTY.match(text, at)
            if match is None:
                raise RequestError(400, "malformed Forwarded")
        at = match.end()
    return element
