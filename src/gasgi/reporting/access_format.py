"""Turn gunicorn's ``access_log_format`` into lines, read once and filled in for every answer.

The output is gunicorn's, byte for byte, but for two things: backslashes and what does not print are escaped in all that
a client wrote (gunicorn escapes the double quote alone), and a duration of more than a day is written whole. No logging
and no I/O.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping

from gasgi.quoting import quote
from gasgi.reporting.gunicorn_view import RequestView, ResponseView, to_text
from gasgi.tables import PROTOCOLS

__all__ = ["AccessFormat", "Atom"]

Atom = Callable[[RequestView, ResponseView], object]

_CONVERSION = re.compile(r"%%|%\(([^()]*)\)(s?)|%")


class AccessFormat:
    """A parsed format; ``time_text`` is the text of ``%(t)s``, kept by the owner."""

    def __init__(self, text: str, table: Mapping[str, Atom] | None = None) -> None:
        """Parse ``text``; raise ValueError for one that only ``text % atoms`` can fill in.

        ``table`` has the atoms that ``text`` may name, gunicorn's where there is none.
        """
        self.time_text = ""
        self._table = _ATOMS if table is None else table
        self._template = ""
        self._pieces = [""]  # what stands around the atoms
        self._is_plain = True  # nothing but %s: joining takes half the time of filling in a template
        self._atoms: list[Atom] = []
        end = 0
        for match in _CONVERSION.finditer(text):
            self._add_text(text[end : match.start()])
            end = match.end()
            if match.group() == "%%":
                self._add_text("%")
            elif match.group(1) is None:
                raise ValueError(f"%(name) expected at {match.start()}")
            else:
                self._template += "%" + match.group(2)
                self._pieces.append("")
                self._is_plain = self._is_plain and match.group(2) == "s"
                self._atoms.append(self._find_atom(match.group(1)))
        self._add_text(text[end:])

    def render(self, request: RequestView, response: ResponseView) -> str:
        """Return the line, without its end."""
        if not self._is_plain:
            return self._template % tuple([atom(request, response) for atom in self._atoms])
        line = [self._pieces[0]]
        for place, atom in enumerate(self._atoms, 1):
            line.append(str(atom(request, response)))
            line.append(self._pieces[place])
        return "".join(line)

    def _add_text(self, text: str) -> None:
        self._template += text.replace("%", "%%")
        self._pieces[-1] += text

    def _find_atom(self, name: str) -> Atom:
        if name == "t":
            return self._time
        if name in self._table:
            return self._table[name]
        if name.startswith("{") and name[-2:-1] == "}":
            name = name.lower()
            key = name[1:-2]
            if name[-1] == "i":
                return RequestField(key.encode("latin-1", "replace"))
            if name[-1] == "o":
                return ResponseField(key.encode("latin-1", "replace"))
            if name[-1] == "e":
                return EnvironVariable(key)
        return _dash

    def _time(self, request: RequestView, response: ResponseView) -> str:
        return self.time_text


class RequestField:
    """``%({name}i)s``: the last field of that name, as in gunicorn."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    def __call__(self, request: RequestView, response: ResponseView) -> str:
        found = None
        if request.head is not None:
            for name, value in request.head.headers:
                if name == self.name:
                    found = value
        return "-" if found is None else quote(to_text(found))


class ResponseField:
    """``%({name}o)s``: the last field of that name."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    def __call__(self, request: RequestView, response: ResponseView) -> str:
        found = None
        for name, value in response.fields:
            if name == self.name or name.lower() == self.name:
                found = value
        return "-" if found is None else quote(to_text(found))


class EnvironVariable:
    """``%({name}e)s``: a variable of the environ, looked up without regard to case."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, request: RequestView, response: ResponseView) -> object:
        found: object = "-"
        for name, value in request.environ.items():
            if name.lower() == self.name:
                found = value
        return quote(found) if isinstance(found, str) else found


def _dash(request: RequestView, response: ResponseView) -> str:
    return "-"


def _remote_host(request: RequestView, response: ResponseView) -> str:
    client = request.client
    return request.remote_host if client is None else client[0]


def _user(request: RequestView, response: ResponseView) -> str:
    credentials = request.find_field(b"authorization")
    if credentials is None or not credentials.lower().startswith("basic"):
        return "-"
    parts = credentials.split(" ", 1)
    if len(parts) != 2:
        return "-"
    try:
        user = base64.b64decode(parts[1].strip().encode("utf-8")).split(b":", 1)[0].decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return "-"
    return quote(user) or "-"


def _request_line(request: RequestView, response: ResponseView) -> str:
    head = request.head
    if head is None:
        return "- - -"
    return quote(f"{head.method} {to_text(head.target)} {PROTOCOLS[head.http_version]}")


def _status(request: RequestView, response: ResponseView) -> str:
    return str(response.status_code)


def _method(request: RequestView, response: ResponseView) -> str:
    return quote(request.method)


def _path(request: RequestView, response: ResponseView) -> str:
    return "-" if request.head is None else quote(request.head.path)


def _query(request: RequestView, response: ResponseView) -> str:
    return quote(request.query)


def _protocol(request: RequestView, response: ResponseView) -> str:
    return request.protocol


def _sent_text(request: RequestView, response: ResponseView) -> str:
    return str(response.sent)


def _sent(request: RequestView, response: ResponseView) -> int:
    return response.sent


def _referer(request: RequestView, response: ResponseView) -> str:
    text = request.find_field(b"referer")
    return "-" if text is None else quote(text)


def _user_agent(request: RequestView, response: ResponseView) -> str:
    text = request.find_field(b"user-agent")
    return "-" if text is None else quote(text)


def _microseconds(request: RequestView, response: ResponseView) -> int:
    return round(response.duration_s * 1_000_000)


def _milliseconds(request: RequestView, response: ResponseView) -> int:
    return round(response.duration_s * 1_000_000) // 1000


def _seconds(request: RequestView, response: ResponseView) -> int:
    return round(response.duration_s * 1_000_000) // 1_000_000


def _decimal_seconds(request: RequestView, response: ResponseView) -> str:
    microseconds = round(response.duration_s * 1_000_000)
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def _process(request: RequestView, response: ResponseView) -> str:
    return f"<{os.getpid()}>"


_ATOMS: dict[str, Atom] = {
    "h": _remote_host,
    "l": _dash,
    "u": _user,
    "r": _request_line,
    "s": _status,
    "m": _method,
    "U": _path,
    "q": _query,
    "H": _protocol,
    "b": _sent_text,
    "B": _sent,
    "f": _referer,
    "a": _user_agent,
    "T": _seconds,
    "D": _microseconds,
    "M": _milliseconds,
    "L": _decimal_seconds,
    "p": _process,
}
