"""Read the corpus of HTTP messages: tests/corpus/README.md says how a file is written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Case", "load_cases"]

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
_ESCAPE = re.compile(rb"\\(r|n|t|\\|x[0-9a-f]{2})")
_PLAIN = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


@dataclass(frozen=True)
class Case:
    """A stream of bytes, the requests it holds and the status that refuses what follows them (None: nothing does)."""

    name: str
    raw: bytes
    requests: list[dict[str, Any]] = field(default_factory=list)
    status: int | None = None


def load_cases(kind: str) -> list[Case]:
    """Return the cases of ``valid`` or ``invalid``, by name."""
    return [_read_case(path) for path in sorted((CORPUS / kind).glob("*.http"))]


def _read_case(path: Path) -> Case:
    raw = b""
    requests: list[dict[str, Any]] = []
    status = None
    for line in path.read_bytes().splitlines():
        if line.startswith(b"# request: "):
            requests.append(json.loads(line.removeprefix(b"# request: ")))
        elif line.startswith(b"# status: "):
            status = int(line.removeprefix(b"# status: "))
        elif not line.startswith(b"# "):
            raw += _ESCAPE.sub(_unescape, line)
    return Case(path.stem, raw, requests, status)


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes.fromhex(code[1:].decode()) if code.startswith(b"x") else _PLAIN[code]
