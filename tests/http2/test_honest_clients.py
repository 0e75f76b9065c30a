"""Random honest clients of another implementation: whatever they do with windows, resets and priorities, each answer
that they have not reset comes whole, and no frame breaks a rule that they hold.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h2.exceptions
import h2.settings
from hypothesis import given, settings
from hypothesis import strategies as st

from gasgi.settings import Settings
from tests.support.http2 import frame, number
from tests.support.http2_rig import Http2Rig, request

WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
FRAME = h2.settings.SettingCodes.MAX_FRAME_SIZE
TABLE = h2.settings.SettingCodes.HEADER_TABLE_SIZE

SIZES = st.sampled_from([0, 1, 100, 16384, 16385, 40_000])
STREAMS = st.integers(0, 5)
PRIORITIES = st.sampled_from([b"", b"u=0", b"u=7", b"i", b"u=1, i", b"u=7, i"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), SIZES, PRIORITIES),
        st.tuples(st.just("upload"), SIZES, st.booleans()),
        st.tuples(st.just("send"), STREAMS, SIZES),
        # Not without a byte: h2 takes no empty frame where its window is below 0 (RFC 9113, 6.9, allows it).
        st.tuples(st.just("finish"), STREAMS, SIZES.filter(bool)),
        st.tuples(st.just("open"), STREAMS, st.sampled_from([1, 1000, 16384, 100_000])),
        st.tuples(st.just("window"), st.sampled_from([0, 1, 1000, 65535, 200_000]), st.just(0)),
        st.tuples(st.just("frame"), st.sampled_from([16384, 20_000, 2**24 - 1]), st.just(0)),
        st.tuples(st.just("table"), st.sampled_from([0, 100, 4096, 10_000]), st.just(0)),
        st.tuples(st.just("reset"), STREAMS, st.just(0)),
        st.tuples(st.just("update"), STREAMS, PRIORITIES),
        st.tuples(st.just("pause"), st.just(0), st.just(0)),
        st.tuples(st.just("resume"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


class Talk:
    """A rig, and what each of its requests is to be answered."""

    def __init__(self, rig: Http2Rig) -> None:
        self.rig = rig
        self.numbers: list[int] = []
        self.expected: dict[int, bytes] = {}
        self.over: set[int] = set()
        self.reset: set[int] = set()

    def begin(self, fields: Any, body: bytes | None) -> None:
        if len(self.numbers) >= 6:
            return
        self.act("resume", 0, 0)  # it would be read only then
        one = self.rig.ask(fields, ends=body is None)
        if body is not None:
            for start in range(0, len(body), 16384):
                self.rig.say(one, body[start : start + 16384])
            self.rig.say(one, b"", ends=True)
        self.numbers.append(one)
        self.expected[one] = b""
        self.rig.call.start(200, (b"x-number", b"%d" % one))

    def send(self, place: int, size: int, more: bool) -> None:
        """The app sends; what it awaits may wait for the client."""
        if place >= len(self.numbers) or self.numbers[place] in self.over | self.reset:
            return
        one = self.numbers[place]
        body = bytes((one + i) % 251 for i in range(size))
        send = self.rig.calls[place].send({"type": "http.response.body", "body": body, "more_body": more})
        # One that waits ends with an exception when its stream is reset.
        self.rig.loop.create_task(send).add_done_callback(asyncio.Task.exception)
        self.rig.sync()
        self.expected[one] += body
        if not more:
            self.over.add(one)

    def act(self, what: str, first: Any, second: Any) -> None:
        rig = self.rig
        if what == "ask":
            self.begin(request(b"GET", b"/", (b"priority", second), (b"x", b"y" * (first % 1000))), None)
        elif what == "upload":
            self.begin(request(b"POST"), bytes(first))
        elif what in ("send", "finish"):
            self.send(first, second, what == "send")
        elif what == "open":
            rig.client.increment_flow_control_window(second)
            if first < len(self.numbers):
                # A stream that has ended has no window any more.
                with contextlib.suppress(h2.exceptions.StreamClosedError):
                    rig.client.increment_flow_control_window(second, self.numbers[first])
        elif what in ("window", "frame", "table"):
            rig.client.update_settings({{"window": WINDOW, "frame": FRAME, "table": TABLE}[what]: first})
        elif what == "reset" and first < len(self.numbers):
            with contextlib.suppress(h2.exceptions.StreamClosedError):
                rig.client.reset_stream(self.numbers[first])
                self.reset.add(self.numbers[first])
        elif what == "update":
            rig.feed(rig.client.data_to_send() + frame(16, 0, 0, number(2 * first + 1) + second))
        elif what == "pause" and not rig.transport.is_reading_paused:
            rig.connection.pause_writing()
        elif what == "resume" and rig.transport.is_reading_paused:
            rig.connection.resume_writing()
        rig.sync()


@settings(max_examples=60)
@given(steps=STEPS)
def test_each_answer_comes_whole(steps: list[tuple[str, Any, Any]]) -> None:
    with Http2Rig(takes=False, settings=Settings(http2_window_bytes=100_000)) as rig:
        talk = Talk(rig)
        for step in steps:
            talk.act(*step)
        talk.act("resume", 0, 0)
        rig.client.update_settings({WINDOW: 2**20})
        rig.client.increment_flow_control_window(2**24)
        rig.sync()
        for place in range(len(talk.numbers)):
            talk.send(place, 0, more=False)
        rig.takes = True
        for one in talk.numbers:
            if one not in talk.reset:
                answer = rig.answer(one)
                assert answer.is_whole
                assert answer.fields[b"x-number"] == b"%d" % one
                assert answer.body == talk.expected[one]
                assert max(answer.pieces, default=0) <= 16384
        assert not rig.transport.is_closing()
        assert rig.errors == []
