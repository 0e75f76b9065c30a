"""The upgrade of HTTP/1.1 to HTTP/2 without TLS (RFC 7540, 3.2), with another implementation as the client."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from gasgi.http1.connection import HttpConnection
from gasgi.http2.connection import Http2Connection
from gasgi.http2.upgrade import Upgrading
from gasgi.reporting.slot_layout import BYTES_IN
from tests.support.choice_rig import PROXY, STRANGER, UNIX, ChoiceRig
from tests.support.http2 import BEGIN, frames_of
from tests.support.http2_rig import Answer, request
from tests.support.http_apps import echo
from tests.support.metered import Metered
from tests.support.served import GET, RecordingObserver

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"
ASKS = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: %b\r\n"


def post(size: int, more: bytes = b"") -> bytes:
    return b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%b" % (size, more)


class UpgradeRig(ChoiceRig):
    """``client`` takes what comes behind the 101."""

    def __init__(self, extra: Any = PROXY, app: Any = None, observer: Any = None, **settings: Any) -> None:
        super().__init__(extra, app, observer, **{"http2_cleartext": "upgrade", **settings})
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.offer = ASKS % self.client.initiate_upgrade_connection()
        self.answers: dict[int, Answer] = {}

    def ask_for_it(self, head: bytes = b"GET /a?b HTTP/1.1\r\nHost: h\r\n", body: bytes = b"") -> None:
        self.send(head + self.offer + b"\r\n" + body)

    def switch(self) -> None:
        """Expect the 101, and go on with HTTP/2."""
        written = self.transport.take()
        assert written.startswith(SWITCHED)
        assert type(self.connection) is Http2Connection
        assert self.runtime.connections == {self.connection}
        self._note(written[len(SWITCHED) :])
        self.sync()

    def sync(self) -> None:
        """Carry bytes both ways until nobody has any."""
        while data := self.client.data_to_send():
            self.send(data)
            self._note(self.transport.take())
        self._note(self.transport.take())

    def _note(self, written: bytes) -> None:
        for event in self.client.receive_data(written):
            answer = self.answers.setdefault(getattr(event, "stream_id", None) or 0, Answer())
            if isinstance(event, h2.events.ResponseReceived):
                answer.status = int(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                answer.body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                answer.is_whole = True


@pytest.mark.parametrize("peer", [PROXY, UNIX], ids=["loopback", "unix"])
@pytest.mark.parametrize("mechanism", ["upgrade", "both"])
def test_the_request_becomes_stream_1(peer, mechanism):
    observer = RecordingObserver()
    with UpgradeRig(peer, observer=observer, http2_cleartext=mechanism) as rig:
        rig.ask_for_it(b"GET /a?b HTTP/1.1\r\nHost: h\r\nX-A: b\r\nKeep-Alive: timeout=5\r\n")
        rig.switch()
        scope = rig.call.scope
        assert (scope["type"], scope["http_version"], scope["method"]) == ("http", "2", "GET")
        assert (scope["path"], scope["query_string"]) == ("/a", b"b")
        assert scope["headers"] == [(b"host", b"h"), (b"x-a", b"b")]
        assert rig.call.hear() == {"type": "http.request", "body": b"", "more_body": False}
        rig.call.start()
        rig.call.say("body", body=b"hello")
        rig.sync()
        assert (rig.answers[1].status, rig.answers[1].body, rig.answers[1].is_whole) == (200, b"hello", True)
        assert observer.answers == [(b"/a?b", 200, 5)]
        assert rig.runtime.requests_completed == 1
        assert rig.runtime.connections_ended == 0


def test_the_connection_goes_on_with_stream_3():
    with UpgradeRig(app=echo) as rig:
        rig.ask_for_it()
        rig.switch()
        assert rig.answers[1].is_whole
        number = rig.client.get_next_available_stream_id()
        assert number == 3
        rig.client.send_headers(number, request(b"POST", b"/b"))
        rig.client.send_data(number, b"body", end_stream=True)
        rig.sync()
        assert (rig.answers[3].status, rig.answers[3].body) == (200, b"body")


def test_the_settings_of_the_server_come_first_and_those_of_the_request_are_not_acknowledged():
    with UpgradeRig() as rig:
        rig.ask_for_it()
        written = rig.transport.take()
        assert [found[:3] for found in frames_of(written[len(SWITCHED) :])] == [(4, 0, 0), (8, 0, 0)]


def test_the_settings_of_the_request_count():
    with UpgradeRig() as rig:
        rig.send(b"GET / HTTP/1.1\r\nHost: h\r\n" + ASKS % b"AAQAAAAK" + b"\r\n")  # SETTINGS_INITIAL_WINDOW_SIZE = 10
        rig.transport.take()
        rig.call.start()
        rig.call.say("body", body=bytes(30))
        found = frames_of(rig.transport.take())
        assert [(kind, len(payload)) for kind, _, _, payload in found if kind == 0] == [(0, 10)]


def test_one_frame_of_data_at_most_follows_the_101_until_the_client_speaks_http2():
    """curl 7.88 has a buffer of 32 KiB for what comes with it."""
    with UpgradeRig() as rig:
        rig.ask_for_it()
        rig.call.start()
        rig.call.say("body", body=bytes(60_000))
        written = rig.transport.take()
        assert 16_384 < len(written) < 20_000
        rig.answers.clear()
        rig._note(written[len(SWITCHED) :])
        rig.sync()
        assert rig.answers[1].body == bytes(60_000)
        assert rig.answers[1].is_whole


@pytest.mark.parametrize("size", [1, 5, 60_000])
def test_a_body_that_is_announced_comes_before_the_switch(size):
    body = bytes(i % 251 for i in range(size))
    with UpgradeRig(app=echo) as rig:
        rig.ask_for_it(post(size), body[:-1])
        assert rig.transport.take() == b""
        assert type(rig.connection) is Upgrading
        assert rig.runtime.connections == {rig.connection}
        rig.send(body[-1:])
        rig.switch()
        assert (rig.answers[1].status, rig.answers[1].body == body) == (200, True)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_everything_may_come_in_pieces_of_any_size_with_frames_behind_it(size):
    with UpgradeRig(app=echo) as rig:
        data = post(4) + rig.offer + b"\r\nbody" + rig.client.data_to_send()
        for start in range(0, len(data), size):
            rig.send(data[start : start + size])
        rig.switch()
        assert (rig.answers[1].status, rig.answers[1].body) == (200, b"body")


def test_bytes_are_counted_once():
    metered = Metered()
    with UpgradeRig(app=echo) as rig:
        metered.prepare(rig.runtime)
        data = post(4) + rig.offer + b"\r\n"
        rest = b"dy" + rig.client.data_to_send()
        rig.send(data + b"bo", rest)
        assert metered.counted(BYTES_IN) == len(data) + 2 + len(rest)


def test_a_request_behind_another_is_taken_too():
    with UpgradeRig(app=echo) as rig:
        rig.send(GET + b"GET /a HTTP/1.1\r\nHost: h\r\n" + rig.offer + b"\r\n")
        written = rig.transport.take()
        first, _, rest = written.partition(SWITCHED)
        assert first.startswith(b"HTTP/1.1 200 ")
        rig._note(rest)
        rig.sync()
        assert rig.answers[1].status == 200


def test_head_has_no_body():
    with UpgradeRig(app=echo) as rig:
        rig.ask_for_it(b"HEAD / HTTP/1.1\r\nHost: h\r\n")
        rig.switch()
        assert (rig.answers[1].status, rig.answers[1].body, rig.answers[1].is_whole) == (200, b"", True)


def test_a_request_that_is_refused_is_answered_on_its_stream():
    with UpgradeRig() as rig:
        rig.runtime.limit_concurrency = 1
        rig.runtime.conversations.add(rig)  # type: ignore[arg-type]
        rig.ask_for_it(post(4), b"body")
        rig.runtime.conversations.clear()
        rig.switch()
        assert (rig.answers[1].status, rig.answers[1].is_whole) == (503, True)


# --- as if it were not there ---


def served_by_http1(rig: UpgradeRig, body: bytes) -> bool:
    """Whether the request has been answered by HTTP/1.1 with its own body, and the next one is too."""
    written = rig.ask(GET)
    return (
        written.startswith(b"HTTP/1.1 200 OK\r\n")
        and written.count(b"HTTP/1.1 200") == 2
        and body in written
        and type(rig.connection) is HttpConnection
    )


@pytest.mark.parametrize(
    "fields",
    [
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Upgrade: h2c\r\nHTTP2-Settings: \r\nConnection: Upgrade\r\n",  # of one who passes fields on
        b"Upgrade: h2c\r\nHTTP2-Settings: \r\nConnection: HTTP2-Settings\r\n",
        b"HTTP2-Settings: \r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Upgrade: h2c\r\nHTTP2-Settings: \r\nHTTP2-Settings: \r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Upgrade: h2c, x\r\nHTTP2-Settings: \r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Upgrade: h2\r\nHTTP2-Settings: \r\nConnection: Upgrade, HTTP2-Settings\r\n",
        ASKS % b"AAMAAABkAAQAAP__A",  # no base64
        ASKS % b"AAMAAABk=",
        ASKS % b"AAMAAA",  # four bytes
        ASKS % b"AAQAAP//",  # base64, not base64url
        ASKS % b"AAT_____",  # SETTINGS_INITIAL_WINDOW_SIZE of 2**32 - 1
        ASKS % b"AAIAAAAC",  # SETTINGS_ENABLE_PUSH of 2
    ],
)
def test_an_offer_that_is_not_in_order_is_served_by_http1(fields):
    with UpgradeRig(app=echo) as rig:
        rig.send(post(4, fields) + b"\r\nbody")
        assert served_by_http1(rig, b"body")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n", b"4\r\nbody\r\n0\r\n\r\n"),
        (post(4, b"Expect: 100-continue\r\n"), b"body"),
        (post(65537), b"body" + bytes(65533)),
    ],
    ids=["chunked", "expects", "large"],
)
def test_a_body_that_cannot_be_held_is_served_by_http1(head, body):
    with UpgradeRig(app=echo) as rig:
        rig.ask_for_it(head, body)
        written = rig.transport.take()
        assert SWITCHED not in written
        assert b"HTTP/1.1 200 OK" in written
        assert b"body" in written


@pytest.mark.parametrize("mechanism", ["upgrade", "both"])
def test_a_stranger_is_served_by_http1(mechanism):
    with UpgradeRig(STRANGER, app=echo, http2_cleartext=mechanism) as rig:
        rig.ask_for_it(post(4), b"body")
        assert served_by_http1(rig, b"body")


def test_a_peer_that_must_send_the_preface_cannot_ask_instead():
    with UpgradeRig(http2_cleartext="prior-knowledge") as rig:
        rig.ask_for_it()
        assert rig.transport.take().startswith(b"HTTP/1.1 400 ")


def test_http10_is_served_by_http1():
    with UpgradeRig(app=echo) as rig:
        rig.ask_for_it(b"GET / HTTP/1.0\r\nHost: h\r\n")
        assert rig.transport.take().startswith(b"HTTP/1.1 200 ")


def test_a_worker_that_stops_serves_by_http1_and_closes():
    with UpgradeRig(app=echo) as rig:
        rig.runtime.is_draining = True
        rig.ask_for_it()
        written = rig.transport.take()
        assert written.startswith(b"HTTP/1.1 200 ")
        assert SWITCHED not in written


def test_a_client_that_has_shut_its_side_is_answered_by_http1():
    with UpgradeRig() as rig:
        rig.send(GET + b"GET /a HTTP/1.1\r\nHost: h\r\n" + rig.offer + b"\r\n")
        rig.shut()
        rig.call.start()
        rig.call.say("body", body=b"one")
        rig.settle()
        assert SWITCHED not in rig.written


# --- where prior knowledge is offered too ---


def test_both_take_the_preface_and_a_plain_request():
    with UpgradeRig(http2_cleartext="both") as rig:
        rig.send(BEGIN[:10], BEGIN[10:])
        assert type(rig.connection) is Http2Connection
    with UpgradeRig(app=echo, http2_cleartext="both") as rig:
        rig.send(*[GET[i : i + 1] for i in range(len(GET))])
        assert rig.transport.take().startswith(b"HTTP/1.1 200 ")
        assert type(rig.connection) is HttpConnection


def test_a_preface_that_does_not_go_on_has_the_deadline_of_a_head():
    with UpgradeRig(http2_cleartext="both", header_timeout_s=3.0) as rig:
        rig.send(b"P")
        rig.pass_time(5)
        rig.send(b"OST / HTTP/1.1\r\n")
        rig.pass_time(5)
        assert rig.transport.take().startswith(b"HTTP/1.1 408 ")


# --- while the body comes ---


def test_a_body_that_stalls_is_408():
    with UpgradeRig(body_timeout_s=5.0) as rig:
        rig.ask_for_it(post(4), b"b")
        rig.pass_time(4)
        rig.send(b"o")
        rig.pass_time(4)
        assert rig.transport.take() == b""
        rig.pass_time(3)
        assert rig.transport.take().startswith(b"HTTP/1.1 408 ")
        assert not rig.calls


def test_a_client_that_leaves_in_its_body_is_forgotten():
    with UpgradeRig() as rig:
        rig.ask_for_it(post(4), b"b")
        rig.shut()
        assert rig.transport.is_closing()
        assert not rig.runtime.connections
        assert not rig.calls


def test_a_stop_waits_for_the_body_and_says_goaway():
    with UpgradeRig(app=echo) as rig:
        rig.ask_for_it(post(4), b"b")
        rig.runtime.is_draining = True
        rig.connection.drain()
        rig.send(b"ody")
        written = rig.transport.take()
        assert written.startswith(SWITCHED)
        assert 7 in [found[0] for found in frames_of(written[len(SWITCHED) :])]


def test_the_end_of_the_time_of_a_stop_drops_it():
    with UpgradeRig() as rig:
        rig.ask_for_it(post(4), b"b")
        rig.connection.abort()
        assert rig.transport.was_aborted
