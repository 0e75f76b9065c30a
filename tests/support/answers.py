"""Read what a server wrote as a strict client of HTTP/1.1 would; what is not well formed fails the test."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Answer", "read_answers", "read_response"]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) [\t -~\x80-\xff]*")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9a-z]+): ([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


@dataclass
class Answer:
    """A final response, and the interim ones before it. ``is_whole`` is False where its body ended early."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    framing: str = "none"
    is_whole: bool = True

    def __getitem__(self, name: str) -> bytes | None:
        values = [value for key, value in self.fields if key == name.encode()]
        assert len(values) <= 1, f"{name} given twice"
        return values[0] if values else None


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def line(self) -> bytes | None:
        end = self.raw.find(b"\r\n", self.at)
        if end < 0:
            self.at = len(self.raw)
            return None
        line = self.raw[self.at : end]
        self.at = end + 2
        return line

    def fields(self) -> list[tuple[bytes, bytes]]:
        found = []
        while (line := self.line()) != b"":
            assert line is not None, "head without an end"
            match = _FIELD.fullmatch(line)
            assert match is not None, line
            found.append((match[1], match[2] or b""))
        return found

    def take(self, size: int) -> bytes:
        data = self.raw[self.at : self.at + size]
        self.at += len(data)
        return data


def read_answers(raw: bytes, methods: list[str], is_closed: bool = False) -> list[Answer]:
    """Read ``raw`` as the client that sent requests with these methods; what is not well formed fails the test."""
    reader = _Reader(raw)
    answers: list[Answer] = []
    interim: list[int] = []
    while reader.at < len(raw):
        line = reader.line()
        assert line is not None
        match = _STATUS_LINE.fullmatch(line)
        assert match is not None, line
        status = int(match[1])
        fields = reader.fields()
        if status < 200:
            assert not {b"content-length", b"transfer-encoding"} & {name for name, _ in fields}
            interim.append(status)
            continue
        answer = Answer(status, fields, interim=interim)
        interim = []
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        answers.append(answer)
        _read_body(reader, answer, method, is_closed)
        if not answer.is_whole or answer["connection"] == b"close":
            assert reader.at == len(raw), f"bytes behind the last answer: {raw[reader.at :]!r}"
    assert not interim or not is_closed, "an interim answer without a final one"
    return answers


def _read_body(reader: _Reader, answer: Answer, method: str, is_closed: bool) -> None:
    length = answer["content-length"]
    coding = answer["transfer-encoding"]
    assert length is None or coding is None
    if method == "HEAD" or answer.status in (204, 304):
        assert coding is None
        assert answer.status != 204 or length is None
    elif coding is not None:
        assert coding == b"chunked"
        answer.framing = "chunked"
        answer.is_whole = _read_chunks(reader, answer)
    elif length is not None:
        assert length.isdigit()
        answer.framing = "length"
        answer.body = reader.take(int(length))
        answer.is_whole = len(answer.body) == int(length)
    else:
        answer.framing = "close"
        assert answer["connection"] == b"close"
        answer.body = reader.take(len(reader.raw))
        answer.is_whole = is_closed


def _read_chunks(reader: _Reader, answer: Answer) -> bool:
    while True:
        line = reader.line()
        if line is None:
            return False
        assert re.fullmatch(rb"[0-9a-f]+", line), line
        size = int(line, 16)
        if not size:
            answer.trailers = reader.fields()
            return True
        piece = reader.take(size)
        answer.body += piece
        if len(piece) < size or reader.at == len(reader.raw):
            return False
        assert reader.take(2) == b"\r\n"


def read_response(data: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return status, fields and body of the one answer in ``data``, which is whole."""
    (answer,) = read_answers(data, [])
    assert answer.is_whole
    assert not answer.interim
    return answer.status, dict(answer.fields), answer.body
