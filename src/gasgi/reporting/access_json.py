"""The access log as JSON, an object on each line: what ``access_format`` fills in when ``gasgi_access_log_json`` is on.

ASCII only, so that it is valid JSON for whatever a client wrote, in every encoding of a log file.
"""

from __future__ import annotations

import os
from json.encoder import encode_basestring_ascii

from gasgi.reporting.access_format import AccessFormat, Atom
from gasgi.reporting.gunicorn_view import RequestView, ResponseView

__all__ = ["FIELDS", "json_format"]


def json_format() -> AccessFormat:
    """Return the format; call it in the worker process, whose id it writes. ``time_text`` goes between quotes."""
    text = ",".join([f'"{name}":{value}' for name, value in FIELDS.items()])
    return AccessFormat(f'{{{text},"pid":{os.getpid()}}}', _ATOMS)


def _client(request: RequestView, response: ResponseView) -> str:
    return encode_basestring_ascii(request.remote_host)


def _method(request: RequestView, response: ResponseView) -> str:
    return "null" if request.head is None else encode_basestring_ascii(request.head.method)


def _path(request: RequestView, response: ResponseView) -> str:
    return "null" if request.head is None else encode_basestring_ascii(request.head.path)


def _query(request: RequestView, response: ResponseView) -> str:
    return "null" if request.head is None else encode_basestring_ascii(request.query)


def _protocol(request: RequestView, response: ResponseView) -> str:
    return "null" if request.head is None else encode_basestring_ascii(request.protocol)


def _status(request: RequestView, response: ResponseView) -> int:
    return response.status_code


def _bytes(request: RequestView, response: ResponseView) -> int:
    return response.sent


def _duration(request: RequestView, response: ResponseView) -> str:
    return f"{response.duration_s:.6f}"


def _referer(request: RequestView, response: ResponseView) -> str:
    text = request.find_field(b"referer")
    return "null" if text is None else encode_basestring_ascii(text)


def _user_agent(request: RequestView, response: ResponseView) -> str:
    text = request.find_field(b"user-agent")
    return "null" if text is None else encode_basestring_ascii(text)


FIELDS = {
    "time": '"%(t)s"',
    "client": "%(client)s",
    "method": "%(method)s",
    "path": "%(path)s",
    "query": "%(query)s",
    "protocol": "%(protocol)s",
    "status": "%(status)s",
    "bytes": "%(bytes)s",
    "duration_s": "%(duration)s",
    "referer": "%(referer)s",
    "user_agent": "%(user_agent)s",
}
_ATOMS: dict[str, Atom] = {
    "client": _client,
    "method": _method,
    "path": _path,
    "query": _query,
    "protocol": _protocol,
    "status": _status,
    "bytes": _bytes,
    "duration": _duration,
    "referer": _referer,
    "user_agent": _user_agent,
}
