"""A request and its answer as gunicorn's hooks, loggers and log formats know them.

Made for every request as soon as anything listens, so everything but the constructor is put off until it is asked for.
No I/O and no ASGI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gasgi.tables import CLIENT_LEFT, PROTOCOLS, STATUS_PHRASES

if TYPE_CHECKING:
    from gasgi._accel import RequestHead

__all__ = ["RequestView", "ResponseView", "to_text"]

_VERSIONS = {"1.0": (1, 0), "1.1": (1, 1), "2": (2, 0)}
# RFC 3875, 4.1: these two have no HTTP_ in front of their names.
_PLAIN_NAMES = frozenset(("CONTENT_TYPE", "CONTENT_LENGTH"))


def to_text(value: bytes) -> str:
    """Decode what HTTP carries: every byte is one character."""
    return value.decode("latin-1")


class RequestView:
    """What ``pre_request`` and ``post_request`` get as their request; takes attributes of the hooks' own.

    ``head`` is None when the request was refused before its head was complete.
    """

    def __init__(
        self,
        head: RequestHead | None,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
    ) -> None:
        self.head = head
        self.client = client
        self.server = server
        self.scheme = scheme
        # gunicorn's mapping (proxy_protocol, client_addr, client_port, proxy_addr, proxy_port), set by the observer.
        self.proxy_protocol_info: dict[str, Any] | None = None
        self._headers: list[tuple[str, str]] | None = None
        self._environ: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        return "-" if self.head is None else self.head.method

    @property
    def uri(self) -> str:
        """The request target as it was sent."""
        return "-" if self.head is None else to_text(self.head.target)

    @property
    def path(self) -> str:
        """The path as it was sent, without the query."""
        return "-" if self.head is None else to_text(self.head.raw_path)

    @property
    def query(self) -> str:
        return "" if self.head is None else to_text(self.head.query_string)

    @property
    def fragment(self) -> str:
        """Always empty: a request target carries none (RFC 9112, 3.2)."""
        return ""

    @property
    def version(self) -> tuple[int, int]:
        return (1, 1) if self.head is None else _VERSIONS[self.head.http_version]

    @property
    def protocol(self) -> str:
        """HTTP version as a status line writes it."""
        return "-" if self.head is None else PROTOCOLS[self.head.http_version]

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Field lines in order of arrival, names in upper case."""
        if self._headers is None:
            fields = () if self.head is None else self.head.headers
            self._headers = [(to_text(name).upper(), to_text(value)) for name, value in fields]
        return self._headers

    @property
    def remote_addr(self) -> tuple[str, int] | str:
        """The client's host and port; "" on a unix socket."""
        return self.client if self.client is not None else ""

    @property
    def peer_addr(self) -> tuple[str, int] | str:
        return self.remote_addr

    @property
    def remote_host(self) -> str:
        """The client's address as logs write it; a unix socket has none."""
        if self.client is not None:
            return self.client[0]
        return "unix:" if self.server is not None and self.server[1] is None else "-"

    @property
    def trailers(self) -> list[tuple[str, str]]:
        return []

    def should_close(self) -> bool:
        """Return whether the client asked for the connection to be closed."""
        return self.head is None or not self.head.keep_alive

    def find_field(self, name: bytes) -> str | None:
        """Return the values of the field ``name`` (lower case), joined by a comma; None when there is none."""
        found: str | None = None
        repeated: list[str] | None = None  # joined in one go: added one by one, each line copies all before it
        if self.head is not None:
            for field_name, value in self.head.headers:
                if field_name == name:
                    if found is None:
                        found = to_text(value)
                    elif repeated is None:
                        repeated = [found, to_text(value)]
                    else:
                        repeated.append(to_text(value))
        return found if repeated is None else ",".join(repeated)

    @property
    def environ(self) -> dict[str, Any]:
        """The request in the variables of WSGI."""
        if self._environ is None:
            self._environ = self._make_environ()
        return self._environ

    def _make_environ(self) -> dict[str, Any]:
        server = self.server or ("", None)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "RAW_URI": self.uri,
            "SCRIPT_NAME": "",
            "PATH_INFO": "-" if self.head is None else self.head.path,
            "QUERY_STRING": self.query,
            "SERVER_PROTOCOL": self.protocol,
            "SERVER_NAME": server[0],
            "SERVER_PORT": "" if server[1] is None else str(server[1]),
            "REMOTE_ADDR": self.remote_host,
            "wsgi.url_scheme": self.scheme,
        }
        if self.client is not None:
            environ["REMOTE_PORT"] = str(self.client[1])
        repeated: dict[str, list[str]] = {}
        for name, value in self.headers:
            key = name.replace("-", "_")
            if key not in _PLAIN_NAMES:
                key = "HTTP_" + key
            if key not in environ:
                environ[key] = value
            elif key in repeated:
                repeated[key].append(value)
            else:
                repeated[key] = [environ[key], value]
        for key, lines in repeated.items():
            environ[key] = ",".join(lines)
        if self.proxy_protocol_info is not None:
            environ["PROXY_PROTOCOL"] = self.proxy_protocol_info["proxy_protocol"]
            environ["PROXY_ADDR"] = self.proxy_protocol_info["proxy_addr"]
            environ["PROXY_PORT"] = str(self.proxy_protocol_info["proxy_port"])
        return environ


class ResponseView:
    """What ``post_request`` gets as its response. ``sent`` counts bytes of the body, ``duration_s`` is in seconds."""

    def __init__(self, status_code: int, fields: list[tuple[bytes, bytes]], sent: int, duration_s: float) -> None:
        self.status_code = status_code
        self.fields = fields
        self.sent = sent
        self.duration_s = duration_s
        self._headers: list[tuple[str, str]] | None = None

    @property
    def status(self) -> str:
        """Status and reason: "200 OK"."""
        return f"{self.status_code} {_phrase(self.status_code)}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        if self._headers is None:
            self._headers = [(to_text(name), to_text(value)) for name, value in self.fields]
        return self._headers

    @property
    def headers_sent(self) -> bool:
        return True

    @property
    def response_length(self) -> int | None:
        """The content-length the app declared."""
        for name, value in self.fields:
            if name.lower() == b"content-length" and value.isdigit():
                return int(value)
        return None


def _phrase(status_code: int) -> str:
    if status_code == CLIENT_LEFT:
        return "Client Closed Request"  # nginx's words for it
    return STATUS_PHRASES.get(status_code, b"Unknown").decode("ascii")
