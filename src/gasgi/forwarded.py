"""Read the values of forwarding fields: addresses, hosts and RFC 7239 ``Forwarded``. Text in, values out; no policy."""

from __future__ import annotations

import ipaddress
import re

from gasgi.errors import RequestError

__all__ = ["read_address", "read_forwarded", "read_host"]

# RFC 7239, 4: a pair is token "=" ( token / quoted-string ); pairs are parted by ";", elements by ",".
_PAIR = re.compile(r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,=]*))[ \t]*([;,]|$)""")
_EMPTY = re.compile(r"[ \t]*([;,]|$)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~-]+)(?::([0-9]{1,5}))?")
_IPV4 = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::([0-9]{1,5}))?")


def read_address(text: str) -> tuple[str, int] | None:
    """Read ``192.0.2.1``, ``2001:db8::1``, either with a port; port 0 when it has none, None for anything else."""
    match = _IPV4.fullmatch(text)
    if match is not None:
        host, port = match.group(1), match.group(2)
    elif text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not (rest[0] == ":" and rest[1:].isdigit() and len(rest) <= 6)):
            return None
        port = rest[1:]
    else:
        host, port = text, ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    number = int(port) if port else 0
    mapped = getattr(address, "ipv4_mapped", None)
    return (str(mapped or address), number) if number < 65536 else None


def read_host(text: str) -> tuple[str, int | None]:
    """Split a Host value; raise RequestError(400) for what is none."""
    match = _HOST.fullmatch(text)
    if match is None:
        raise RequestError(400, "Bad Request", f"bad host from the proxy: {text!r}")
    port = int(match.group(2)) if match.group(2) else None
    if port is not None and not 0 < port < 65536:
        raise RequestError(400, "Bad Request", f"bad host from the proxy: {text!r}")
    return match.group(1).strip("[]"), port


def read_forwarded(text: str) -> list[dict[str, str]]:
    """Return the elements of ``Forwarded``, names in lower case; raise RequestError(400) when it is malformed."""
    elements: list[dict[str, str]] = []
    element: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            empty = _EMPTY.match(text, at)  # RFC 9110, 5.6.1.2: empty list elements are ignored
            if empty is None:
                raise RequestError(400, "Bad Request", "malformed Forwarded")
            end, at = empty.group(1), empty.end()
        else:
            name = match.group(1).lower()
            if name in element:
                raise RequestError(400, "Bad Request", f"{name} twice in one element of Forwarded")
            quoted = match.group(2)
            element[name] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match.group(3)
            end, at = match.group(4), match.end()
        if end != ";" and element:
            elements.append(element)
            element = {}
    return elements
