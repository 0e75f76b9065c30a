"""What must hold for a whole connection and any bytes a client sends, in any pieces.

The property tests and the coverage-guided target both check it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gasgi.settings import Settings
from tests.fuzz.agreement import cut
from tests.support.answers import read_answers
from tests.support.http_apps import Recorder, echo, head, hello, last, piece
from tests.support.served import RecordingObserver, Served
from tests.support.twins import TWINS, load_twin
from tests.support.wire import read_stream

__all__ = ["APPS", "check_connection", "check_reading_app"]

ANSWERS = {400, 403, 405, 408, 414, 417, 426, 431, 501, 505}
PARSER = load_twin("_parser", TWINS[-1])


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Answer while the body arrives."""
    await send(head())
    while True:
        message = await receive()
        await send(piece(message.get("body", b"")))
        if not message.get("more_body"):
            break
    await asyncio.sleep(0)
    await send(last(b"end"))
    await asyncio.sleep(0)


async def failing(scope: Any, receive: Any, send: Any) -> None:
    """Fail early or late, as the path says."""
    if len(scope["raw_path"]) % 2:
        await send(head(headers=[(b"content-length", b"5")]))
        await send(piece(b"hel"))
    raise ValueError("meant")


async def late(scope: Any, receive: Any, send: Any) -> None:
    """Answer without reading, turns later, and go on after that."""
    for _ in range(3):
        await asyncio.sleep(0)
    await hello(scope, receive, send)
    await receive()
    for _ in range(5):
        await asyncio.sleep(0)


APPS = (echo, hello, streaming, failing, late)


def check_connection(loop: asyncio.AbstractEventLoop, raw: bytes, points: list[int], variant: int) -> None:
    """Serve ``raw``, cut at ``points``: no crash, no hang, well-formed answers in the right number, then the end."""
    app = APPS[variant % len(APPS)]
    if app is echo:
        check_reading_app(loop, raw, points)
    pieces = cut(raw, points)
    observer = RecordingObserver()
    recorder = Recorder(_http_only(app))
    served = Served(recorder, Settings(max_body_drain_bytes=64), observer, loop=loop)
    if variant & 64:
        served.transport.is_client_reading = False
    for data in pieces:
        served.transport.client_sends(data)
        if variant & 128:
            served.settle(3)
    served.settle(400)
    _end(served, shuts=bool(variant & 32))
    methods = [scope.get("method", "GET") for scope in recorder.scopes]
    answers = read_answers(served.written, methods, served.is_closed)
    assert all(answer.is_whole for answer in answers[:-1])
    assert all(answer.status in (200, 500) for answer in answers[:-1]), answers
    assert len(answers) <= len(recorder.scopes) + 1
    assert observer.begun == len(observer.answers), "an answer was not reported, or twice"
    for scope in recorder.scopes:
        assert scope["type"] in ("http", "websocket")


def check_reading_app(loop: asyncio.AbstractEventLoop, raw: bytes, points: list[int]) -> None:
    """An app that reads each request whole gives the same bytes however these came, one answer for each."""
    requests, refused = read_stream(PARSER, [raw])
    written = []
    for pieces in (cut(raw, []), cut(raw, points)):
        recorder = Recorder(_http_only(echo))
        served = Served(recorder, loop=loop)
        for data in pieces:
            served.transport.client_sends(data)
        served.settle(400)
        before, was_closed = served.written, served.is_closed
        _end(served, shuts=False)
        written.append(before)
        answers = read_answers(before, [request["method"] for request in requests], was_closed)
        if any(request["upgrade"] == b"websocket" for request in requests):
            continue
        expected = [200] * len(requests) + ([] if refused is None else [refused[0]])
        assert [answer.status for answer in answers] == expected
        for request, answer, scope in zip(requests, answers, recorder.scopes, strict=False):
            assert scope["raw_path"] == request["raw_path"]
            assert scope["headers"] == request["headers"]
            if request["method"] != "HEAD":
                assert answer.body == request["body"]
    assert written[0] == written[-1]


def _http_only(app: Any) -> Any:
    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    return guarded


def _end(served: Served, shuts: bool) -> None:
    """Whatever state it is in, the connection ends by itself in a time that its settings bound."""
    if shuts:
        served.transport.client_shuts_its_side()
        served.settle(400)
    for _ in range(8):
        if served.transport.is_lost:
            break
        served.pass_time(61)
        served.settle(400)
    assert served.transport.is_lost, "hangs"
    served.pass_time(61)
    served.settle(400)
    assert not served.runtime.conversations, "an app runs on"
    served.close()
