"""Request heads for tests that start behind the parser."""

from __future__ import annotations

from typing import Any


class FakeHead:
    """The attributes of a RequestHead; ``target`` decides path and query."""

    def __init__(
        self,
        target: bytes = b"/",
        headers: list[tuple[bytes, bytes]] | None = None,
        method: str = "GET",
        path: str | None = None,
        **attributes: Any,
    ) -> None:
        self.method = method
        self.target = target
        self.raw_path, _, self.query_string = target.partition(b"?")
        self.path = self.raw_path.decode("latin-1") if path is None else path
        self.http_version = "1.1"
        self.headers = headers or []
        self.keep_alive = True
        self.has_underscore_name = any(b"_" in name for name, _ in self.headers)
        for name, value in attributes.items():
            setattr(self, name, value)
