"""A client that asks over HTTP/2 without a pause, as a proxy does: streams side by side, a new connection after GOAWAY.

What a server has not taken, by the number in its last GOAWAY, is asked again (RFC 9113, 6.8); whatever else has no
whole answer is lost.
"""

from __future__ import annotations

import threading
from typing import Any

from tests.support.http2_client import Http2Client

__all__ = ["Http2Load"]

STREAMS = 5


class Http2Load:
    """Asks from ``start`` to ``stop`` in a thread; ``answered``, ``refused`` and ``lost`` count requests."""

    def __init__(self, address: Any, path: bytes = b"/a") -> None:
        self._address = address
        self._path = path
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.connections = 0
        self.answered = 0
        self.refused = 0  # by a GOAWAY that says so: asked again
        self.lost: list[str] = []

    def __enter__(self) -> Http2Load:  # noqa: PYI034  # typing has no Self before Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(120)
        assert not self._thread.is_alive(), "the client waits for ever"

    def _run(self) -> None:
        while not self._is_over.is_set() and len(self.lost) < 10:
            try:
                with Http2Client(self._address) as client:
                    self.connections += 1
                    self._ask_until_goaway(client)
            except Exception as exc:
                self.lost.append(f"a connection failed: {exc!r}")

    def _ask_until_goaway(self, client: Http2Client) -> None:
        waiting: list[int] = []
        why = "the server closed"
        while True:
            goes_on = not self._is_over.is_set() and not client.goaways
            while goes_on and len(waiting) < STREAMS:
                waiting.append(client.ask(self._path))
            if not waiting:
                return
            try:
                client.read()
            except (AssertionError, OSError) as exc:
                why = repr(exc)
                break
            for number in list(waiting):
                answer = client.answers[number]
                if answer.is_whole or answer.reset_code is not None:
                    waiting.remove(number)
                    del client.answers[number]
                    if answer.is_whole and answer.status == 200:
                        self.answered += 1
                    else:
                        self.lost.append(f"stream {number}: status {answer.status}, reset {answer.reset_code}")
        last = client.goaways[-1][1] if client.goaways else 2**31
        for number in waiting:
            if number > last:
                self.refused += 1
            else:
                self.lost.append(f"stream {number}: {why}, goaways {client.goaways}")
