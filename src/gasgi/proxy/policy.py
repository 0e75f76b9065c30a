"""Decide what a proxy in front may say about the client, and read it.

Which peers are believed (``forwarded_allow_ips``, ``proxy_allow_ips``), which of their fields are
(``secure_scheme_headers``, ``gasgi_forwarded_fields``), and what becomes of field names with an underscore. A field
that is not believed is not even looked at. No I/O.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gasgi.errors import RequestError, SettingError
from gasgi.proxy.forwarded import find_element, pack_address, read_address, read_element, read_host

if TYPE_CHECKING:
    from gasgi._accel import RequestHead
    from gasgi.proxy.protocol import ProxyInfo
    from gasgi.settings import Settings
    from gasgi.types import Headers

__all__ = ["Forwarded", "ProxyPolicy", "TrustedPeers", "add_root_path"]

# A request passes a handful of proxies. What stands left of so many is not read: each costs some 2 µs.
MAX_HOPS = 32
# "//host" would make an application's redirect leave the site.
_PORT = re.compile(r"[0-9]{1,5}")
_PREFIX = re.compile(r"/(?!/)[^?#\\\s]*")


def add_root_path(root_path: str, path: str) -> str:
    """Return the scope's path, which ASGI wants with ``root_path``: it is put in front where it is missing."""
    if not root_path or path == root_path or path.startswith(root_path + "/") or path == "*":
        return path  # OPTIONS * is about the server
    return root_path + path


class TrustedPeers:
    """A list of addresses and networks as gunicorn writes it; "*" trusts every peer, but no hop behind it."""

    def __init__(self, setting: str, listed: tuple[str, ...]) -> None:
        self._trusts_all = "*" in listed
        # (size of the address in bytes, its network part, the mask): parsing with ipaddress costs 3 µs for each hop.
        self._networks: list[tuple[int, int, int]] = []
        for item in listed:
            if item != "*":
                try:
                    self._add(ipaddress.ip_network(item))
                except ValueError as exc:
                    raise SettingError(f"{setting} = {','.join(listed)!r}: {exc}") from None

    def has_peer(self, host: str | None) -> bool:
        """Whether the peer of a connection is trusted; None stands for a unix socket, never for an unknown peer."""
        return not host or self._trusts_all or self.has_address(host)

    def has_address(self, host: str) -> bool:
        """Whether ``host`` is listed; "*" lists nothing."""
        packed = pack_address(host.partition("%")[0])  # without the interface of a link-local address
        if packed is not None:
            number = int.from_bytes(packed, "big")
            for size, network, mask in self._networks:
                if size == len(packed) and number & mask == network:
                    return True
        return False

    def _add(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
        packed = network.network_address.packed
        self._networks.append((len(packed), int(network.network_address), int(network.netmask)))
        mapped = pack_address(str(network.network_address))
        if mapped is not None and len(mapped) != len(packed):  # listed as IPv6, met as IPv4
            mask = int(network.netmask) & 0xFFFFFFFF
            self._networks.append((4, int.from_bytes(mapped, "big") & mask, mask))


class Forwarded:
    """A request as the first trusted proxy received it; ``root_path`` is the setting's unless a proxy named one."""

    def __init__(
        self, client: tuple[str, int] | None, scheme: str, server: tuple[str, int | None] | None, root_path: str = ""
    ) -> None:
        self.client = client
        self.scheme = scheme
        self.server = server
        self.root_path = root_path
        self._path_info: str | None = None
        self._is_stripped = False

    def full_path(self, path: str) -> str:
        """Return the scope's path, which ASGI wants with ``root_path``, for the path of the request line."""
        if self._path_info is not None:
            return self.root_path + self._path_info
        if self._is_stripped and path != "*":
            return self.root_path + path
        return add_root_path(self.root_path, path)


class ProxyPolicy:
    """One per worker."""

    def __init__(self, settings: Settings) -> None:
        self._forwarders = TrustedPeers("forwarded_allow_ips", settings.forwarded_allow_ips)
        self._proxy_peers = TrustedPeers("proxy_allow_ips", settings.proxy_allow_ips)
        self._secure_values = {
            name.lower().encode("latin-1"): value.encode("latin-1") for name, value in settings.secure_scheme_headers
        }
        self._forwarder_names = frozenset([name.lower().encode("latin-1") for name in settings.forwarder_headers])
        self._header_map = settings.header_map
        self._proxy_protocol = settings.proxy_protocol
        self._root_path = settings.root_path
        names = {name.encode("ascii") for name in settings.forwarded_fields}
        self._path_names = names & {b"x-forwarded-prefix", b"script_name", b"path_info"}
        for name in sorted(self._path_names):
            if b"_" in name and self._header_map != "dangerous" and not self._is_forwarder_name(name):
                text = name.decode("ascii")
                raise SettingError(
                    f"gasgi_forwarded_fields has {text}, which header_map = {self._header_map!r} keeps out: "
                    f"add {text.upper()} to forwarder_headers"
                )
        self._names = frozenset(names.union(self._secure_values))

    def is_trusted(self, peer_host: str | None, proxied: ProxyInfo | None) -> bool:
        """Whether the forwarding fields of a connection are believed; None is a unix socket, never an unknown peer.

        Behind a PROXY header they are its source's: a proxy that only passes bytes on sets no field.
        """
        if proxied is not None and proxied.protocol:
            return proxied.client is not None and self._forwarders.has_address(proxied.client[0])
        return self._forwarders.has_peer(peer_host)

    def expects_proxy_header(self, accepted: socket.socket) -> bool:
        """Whether a PROXY header at the start of this connection is to be read and believed."""
        if self._proxy_protocol == "off":
            return False
        if accepted.family == socket.AF_UNIX:
            return True  # as gunicorn's documentation says; who may connect is a matter of file permissions
        try:
            return self._proxy_peers.has_peer(accepted.getpeername()[0])
        except OSError:
            return False

    def apply_field_policy(self, headers: Headers, is_trusted: bool) -> Headers:
        """Keep or drop the fields with an underscore in their name; raise RequestError where they are refused."""
        if self._header_map == "dangerous":
            return headers
        kept = []
        for field in headers:
            if b"_" not in field[0] or (is_trusted and self._is_forwarder_name(field[0])):
                kept.append(field)
            elif self._header_map != "drop":
                raise RequestError(400, f"field name with an underscore: {field[0].decode('latin-1')}")
        return kept

    def rewrite(
        self,
        head: RequestHead,
        client: tuple[str, int] | None,
        scheme: str,
        server: tuple[str, int | None] | None,
        is_trusted: bool,
    ) -> Forwarded | None:
        """Return what a trusted peer forwarded, None when it forwarded nothing or is not trusted.

        Comes after ``apply_field_policy``. Raises RequestError(400) where the peer's fields contradict each other.
        """
        if not is_trusted:
            return None
        found: dict[bytes, list[bytes]] | None = None
        for name, value in head.headers:
            if name in self._names:
                if found is None:
                    found = {name: [value]}
                elif name in found:
                    found[name].append(value)
                else:
                    found[name] = [value]
        if found is None:
            return None
        result = Forwarded(client, scheme, server, self._root_path)
        self._read(found, result)
        return result

    def _is_forwarder_name(self, name: bytes) -> bool:
        return name in self._forwarder_names or b"*" in self._forwarder_names

    def _read(self, found: dict[bytes, list[bytes]], result: Forwarded) -> None:
        said_scheme = self._read_scheme(found)
        said_host = _last_item(found.get(b"x-forwarded-host")).lower()
        hops = found.get(b"x-forwarded-for")
        if hops is not None:
            result.client = self._find_client(hops, result.client)
        forwarded = found.get(b"forwarded")
        if forwarded is not None:
            element = self._find_element(forwarded)
            named = element.get("for", "")
            address = read_address(named)
            if address is not None:
                if hops is not None and result.client is not None and result.client[0] != address[0]:
                    raise _contradiction("the client")
                result.client = address
            elif hops is None and _is_hidden(named):
                result.client = None
            said_scheme = _agree("the scheme", said_scheme, _read_proto(element.get("proto", "")))
            said_host = _agree("the host", said_host, element.get("host", "").lower())
        if said_scheme:
            result.scheme = said_scheme
        if said_host or b"x-forwarded-port" in found:
            self._read_server(said_host, _last_item(found.get(b"x-forwarded-port")), result)
        if not self._path_names.isdisjoint(found):
            self._read_path(found, result)

    def _read_scheme(self, found: dict[bytes, list[bytes]]) -> str:
        said = ""
        for name, secure in self._secure_values.items():
            lines = found.get(name)
            if lines is not None:
                value = _only_value(name, lines)
                # Traefik writes "wss" for a WebSocket handshake.
                is_secure = value == secure or (secure == b"https" and value == b"wss")
                said = _agree("the scheme", said, "https" if is_secure else "http")
        return said

    def _find_client(self, lines: list[bytes], peer: tuple[str, int] | None) -> tuple[str, int] | None:
        """Return the rightmost hop that is no trusted proxy; anything left of it was written by the client."""
        client = peer
        hops_left = MAX_HOPS
        for line in reversed(lines):  # RFC 9110, 5.3: lines of one field are one list
            end = len(line)
            while end >= 0:
                if hops_left == 0:
                    return client
                hops_left -= 1
                comma = line.rfind(b",", 0, end)
                text = line[comma + 1 : end].strip(b" \t").decode("latin-1")
                end = comma
                if not text:
                    continue
                address = read_address(text)
                if address is None:
                    # What is no address cannot be trusted; a proxy that hides its client says "unknown" or "_name".
                    return None if _is_hidden(text) else client
                client = address
                if not self._forwarders.has_address(address[0]):
                    return client
        return client

    def _find_element(self, lines: list[bytes]) -> dict[str, str]:
        """Return the element the first trusted proxy wrote; a client can only write what stands left of it."""
        found: dict[str, str] = {}
        hops_left = MAX_HOPS
        for line in reversed(lines):
            end = len(line)
            while end >= 0:
                if hops_left == 0:
                    return found
                hops_left -= 1
                start = find_element(line, end)
                element = read_element(line[start:end].decode("latin-1"))
                end = start - 1
                if not element:
                    continue
                found = element
                address = read_address(element.get("for", ""))
                if address is None or not self._forwarders.has_address(address[0]):
                    return found
        return found

    def _read_server(self, said_host: str, said_port: str, result: Forwarded) -> None:
        port = None
        if said_port:
            if not _PORT.fullmatch(said_port) or not 0 < int(said_port) < 65536:
                raise RequestError(400, f"bad X-Forwarded-Port {said_port!r}")
            port = int(said_port)
        if said_host:
            host, own_port = read_host(said_host)
            result.server = (host, own_port or port or (443 if result.scheme == "https" else 80))
        elif port is not None and result.server is not None and result.server[1] is not None:
            result.server = (result.server[0], port)

    def _read_path(self, found: dict[bytes, list[bytes]], result: Forwarded) -> None:
        prefix = _read_prefix(_last_item(found.get(b"x-forwarded-prefix")))
        script_name = _read_prefix(_only_value(b"script_name", found.get(b"script_name")).decode("utf-8", "replace"))
        if prefix and script_name and prefix != script_name:
            raise _contradiction("the path")
        result.root_path = prefix or script_name or result.root_path
        result._is_stripped = bool(prefix)  # the field exists because the proxy cut the prefix off
        if b"path_info" in found:
            result._path_info = _only_value(b"path_info", found[b"path_info"]).decode("utf-8", "replace")
            if not result._path_info.startswith("/") and result._path_info:
                raise RequestError(400, "bad PATH_INFO")


def _contradiction(what: str) -> RequestError:
    return RequestError(400, f"the proxy's fields contradict each other about {what}")


def _agree(what: str, first: str, second: str) -> str:
    if first and second and first != second:
        raise _contradiction(what)
    return first or second


def _only_value(name: bytes, lines: list[bytes] | None) -> bytes:
    """A scheme or a path is no list: several lines must say the same."""
    if lines is None:
        return b""
    for line in lines:
        if line != lines[0]:
            raise _contradiction(name.decode("latin-1"))
    return lines[0]


def _last_item(lines: list[bytes] | None) -> str:
    """What the nearest proxy wrote; earlier items of the list may come from the client."""
    return "" if lines is None else lines[-1].rpartition(b",")[2].decode("latin-1").strip(" \t")


def _read_proto(text: str) -> str:
    text = text.lower()
    if text in ("", "http", "https"):
        return text
    if text in ("ws", "wss"):
        return "https" if text == "wss" else "http"
    raise RequestError(400, f"bad proto in Forwarded: {text!r}")


def _is_hidden(text: str) -> bool:
    # RFC 7239, 6.3
    return text.lower() == "unknown" or text.startswith("_")


def _read_prefix(text: str) -> str:
    text = text.rstrip("/")
    if not text:
        return ""
    if "%" in text:
        text = unquote(text)
    if not _PREFIX.fullmatch(text) or not text.isprintable():
        raise RequestError(400, f"bad path prefix from the proxy: {text!r}")
    return text
