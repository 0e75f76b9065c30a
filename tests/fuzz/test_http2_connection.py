"""Whole HTTP/2 connections under random frames and bytes: no exception leaves them, and nothing is left behind."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gasgi.settings import Settings
from tests.http2.test_verdicts import FRAMES
from tests.support.http2 import BEGIN, frames_of
from tests.support.http2_rig import Http2Rig

BYTES = st.one_of(FRAMES, FRAMES, FRAMES, FRAMES, st.binary(max_size=30))


async def streams(scope: Any, receive: Any, send: Any) -> None:
    """Read a little, answer in pieces, with trailers now and then."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": scope["method"] == "GET"})
    for i in range(3):
        await send({"type": "http.response.body", "body": bytes(30_000 * i), "more_body": i < 2})
    await send({"type": "http.response.trailers", "headers": [(b"a", b"b")]})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer only once the request is whole."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def fail(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("the app failed")


@settings(max_examples=150)
@given(
    pieces=st.lists(BYTES, max_size=12),
    app=st.sampled_from([streams, echo, fail]),
    grace=st.sampled_from([0.0, 3.0]),
    cuts=st.booleans(),
    end=st.sampled_from(["lose", "shut", "drain", "abort", "wait"]),
)
def test_survives_any_client(pieces: list[bytes], app: Any, grace: float, cuts: bool, end: str) -> None:
    with Http2Rig(app, settings=Settings(disconnect_grace_s=grace, body_timeout_s=5.0, write_timeout_s=5.0)) as rig:
        rig.lose()
        rig.connect()
        connection: Any = rig.connection
        for piece in [BEGIN, *pieces]:
            for data in [piece[:7], piece[7:]] if cuts else [piece]:
                if not rig.transport.is_closing() and not rig.transport.is_reading_paused:
                    rig.feed(data)
        if end == "lose":
            rig.lose()
        elif end == "shut":
            rig.shut()
        elif end == "drain":
            connection.drain()
        elif end == "abort":
            connection.abort()
        rig.pass_time(20)
        frames_of(bytes(rig.transport.written))  # whole frames, whatever happened
        assert rig.is_lost or rig.transport.is_closing()
        rig.lose()
        assert not rig.runtime.conversations
