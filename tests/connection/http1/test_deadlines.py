"""How long a client may take for each thing; a clock moved by hand, a sweep at the end of each second."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.settings import Settings
from tests.support.http_apps import Stepper, answering, echo, head, hello, last, piece
from tests.support.served import RecordingObserver, Served

Serve = Callable[..., Served]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST_5 = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
MIB = 1024 * 1024


@pytest.fixture
def settings() -> Settings:
    return Settings(
        first_byte_timeout_s=7,
        header_timeout_s=11,
        keep_alive_s=5,
        body_timeout_s=13,
        write_timeout_s=17,
        disconnect_grace_s=3,
    )


def test_no_timer_is_made_for_a_connection_or_a_request(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    calls: list[Any] = []
    if hasattr(served.loop, "_scheduled"):
        served.send(GET[:5], GET[5:], POST_5)
        app.step("receive", None)
        served.settle()
        calls = served.loop._scheduled
    assert calls == []


def test_a_silent_connection_is_closed_without_a_word(serve: Serve, settings: Settings) -> None:
    observer = RecordingObserver()
    served = serve(hello, settings, observer)
    served.pass_time(6.9)
    assert not served.is_closed
    served.pass_time(0.2)
    assert (served.is_closed, served.written, observer.begun) == (True, b"", 0)


def test_an_answer_taken_late_costs_the_request_behind_it_nothing(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    served.transport.is_client_reading = False
    served.send(GET)
    app.step(head(), last(b"x" * 40_000), None)  # the transport holds it and does not say so
    served.settle()
    served.pass_time(settings.keep_alive_s + 1)  # the write deadline begins
    served.transport.is_client_reading = True
    served.transport.client_takes(100_000)
    served.send(GET)
    served.pass_time(settings.write_timeout_s + 1)
    app.step(head(204), last(), None, call=1)
    served.settle()
    assert len(served.answers()) == 2


def test_a_head_that_trickles_in_gets_408(serve: Serve, settings: Settings) -> None:
    observer = RecordingObserver()
    served = serve(hello, settings, observer)
    for i in range(10):
        served.send(GET[i : i + 1])
        served.pass_time(1)
    assert served.written == b""
    served.send(GET[10:11])
    served.pass_time(1)
    assert (served.answer().status, served.answer()["connection"]) == (408, b"close")
    assert observer.answers == [(None, 408, len(b"Request Timeout\n"))]
    served.send(GET[11:])
    assert served.answer().status == 408


def test_the_head_of_a_pipelined_request_has_its_own_time(serve: Serve, settings: Settings) -> None:
    served = serve(hello, settings)
    served.send(GET + GET[:5])
    served.pass_time(10.9)
    assert len(served.answers()) == 1
    served.pass_time(0.2)
    assert [answer.status for answer in served.answers()] == [200, 408]


def test_an_idle_connection_is_closed_after_keep_alive(serve: Serve, settings: Settings) -> None:
    served = serve(hello, settings)
    served.send(GET)
    served.pass_time(4.9)
    served.send(GET)
    served.pass_time(4.9)
    assert not served.is_closed
    served.pass_time(0.2)
    assert (served.is_closed, len(served.answers())) == (True, 2)


def test_no_keep_alive_closes_behind_the_first_answer(serve: Serve) -> None:
    served = serve(hello, Settings(keep_alive_s=0))
    served.send(GET)
    assert (served.answer()["connection"], served.is_closed) == (b"close", True)


def test_a_request_in_progress_has_no_deadline(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    served.send(GET)
    served.pass_time(10_000)
    app.step(head(), last(), None)
    served.settle()
    assert served.answer().status == 200


def test_a_body_that_stalls_gets_408_and_ends_for_the_app(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    observer = RecordingObserver()
    served = serve(app, settings, observer)
    served.send(POST_5)
    app.step("receive", "receive")
    served.pass_time(12.9)
    served.send(b"he")
    served.pass_time(12.9)
    assert served.written == b""
    served.pass_time(0.2)
    assert served.answer().status == 408
    assert [message["type"] for message in app.calls[0]] == ["http.request", "http.disconnect"]
    assert observer.statuses == [408]


def test_a_body_that_stalls_while_it_is_answered_cuts_the_answer_off(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    served.send(POST_5)
    app.step(head(), piece(b"x"), "receive")
    served.settle()
    served.pass_time(13.1)
    assert (served.answer().status, served.answer().is_whole, served.is_closed) == (200, False, True)


def test_a_slow_app_is_no_stall_of_the_client(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
    assert served.transport.is_reading_paused
    served.pass_time(10_000)
    app.step("receive", "receive", head(), last(), None)
    served.settle()
    served.send(b"x" * 100_000)
    assert served.answer().status == 200


def test_a_client_that_waits_for_100_continue_does_not_stall(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    served.send(POST_5.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    served.pass_time(10_000)
    assert served.written == b""
    app.step("receive")
    served.settle()
    assert served.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    served.pass_time(13.1)
    assert served.answer().status == 408


def test_an_unread_body_that_never_ends_closes_the_connection(serve: Serve, settings: Settings) -> None:
    served = serve(hello, settings)
    served.send(POST_5)
    served.pass_time(12.9)
    assert (served.answer().body, served.is_closed) == (b"hello", False)
    served.pass_time(0.2)
    assert (served.answer().body, served.is_closed) == (b"hello", True)


def big(size: int, *headers: tuple[bytes, bytes]) -> Any:
    return answering(head(headers=headers), last(b"x" * size))


def test_a_client_that_stops_reading_is_cut_off(serve: Serve, settings: Settings) -> None:
    served = serve(big(MIB), settings)
    served.transport.is_client_reading = False
    served.send(GET)
    served.pass_time(16.9)
    assert not served.is_closed
    served.pass_time(0.2)
    assert served.transport.was_aborted


def test_a_client_that_reads_slowly_gets_everything(serve: Serve, settings: Settings) -> None:
    served = serve(big(MIB), settings)
    served.transport.is_client_reading = False
    served.send(GET)
    for _ in range(16):
        served.pass_time(16.9)
        served.transport.client_takes(MIB // 16)
    served.transport.client_takes(MIB)
    served.settle()
    assert not served.is_closed
    assert not served.runtime.conversations


@pytest.mark.parametrize("left", [MIB, 60_000, 10_000])
def test_a_closing_connection_that_is_never_read_is_cut_off(serve: Serve, settings: Settings, left: int) -> None:
    served = serve(big(MIB, (b"connection", b"close")), settings)
    served.transport.is_client_reading = False
    served.send(GET)
    served.transport.client_takes(served.transport.unsent - left)
    assert served.is_closed
    served.pass_time(16.9)
    assert not served.transport.was_aborted
    for _ in range(2):
        served.pass_time(17.1)
    assert served.transport.was_aborted


def test_idle_time_begins_when_the_client_has_its_answer(serve: Serve, settings: Settings) -> None:
    served = serve(big(60_000), settings)
    served.transport.is_client_reading = False
    served.send(GET)
    for _ in range(3):
        served.pass_time(5.1)
        served.transport.client_takes(10_000)
    assert not served.is_closed
    served.transport.client_takes(60_000)
    for _ in range(2):
        served.pass_time(5.1)
    assert (served.is_closed, served.transport.was_aborted) == (True, False)


def test_an_idle_connection_that_leaves_its_answer_unread_is_cut_off(serve: Serve, settings: Settings) -> None:
    served = serve(big(60_000), settings)
    served.transport.is_client_reading = False
    served.send(GET)
    for _ in range(6):
        served.pass_time(5.1)
    assert served.transport.was_aborted


def test_lingering_reads_away_for_a_bounded_time(serve: Serve, settings: Settings) -> None:
    served = serve(hello, settings)
    served.send(b"GET / HTTP/9.9\r\n\r\n")
    assert (served.answer().status, served.transport.eof_written, served.is_closed) == (505, True, False)
    for _ in range(4):
        served.pass_time(1)
        served.send(b"x" * 100_000)
    assert not served.is_closed
    served.pass_time(1.1)
    assert served.is_closed


def test_lingering_ends_when_the_client_is_gone_already(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_eof() -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    served = serve(big(5, (b"connection", b"close")))
    monkeypatch.setattr(served.transport, "write_eof", write_eof)
    served.send(GET + GET)
    assert served.transport.is_lost
    assert (served.answer().status, served.errors) == (200, [])


def test_lingering_ends_when_the_client_closes(serve: Serve, settings: Settings) -> None:
    served = serve(hello, settings)
    served.send(b"GET / HTTP/9.9\r\n\r\n")
    served.transport.client_shuts_its_side()
    served.settle()
    assert served.transport.is_lost


def test_lingering_lets_a_slow_client_take_its_answer(serve: Serve, settings: Settings) -> None:
    served = serve(big(MIB, (b"connection", b"close")), settings)
    served.transport.is_client_reading = False
    served.send(POST_5 + b"he")
    for _ in range(10):
        served.pass_time(5.1)
        served.transport.client_takes(90_000)
    assert not served.transport.was_aborted
    served.transport.client_takes(MIB)
    served.pass_time(5.1)
    assert served.is_closed


def test_a_lingering_client_that_reads_nothing_is_cut_off(serve: Serve, settings: Settings) -> None:
    served = serve(big(MIB, (b"connection", b"close")), settings)
    served.transport.is_client_reading = False
    served.send(POST_5 + b"he")
    for _ in range(8):
        served.pass_time(5.1)
    assert served.transport.was_aborted


def test_an_app_whose_client_left_is_cancelled_after_the_grace_period(serve: Serve, settings: Settings) -> None:
    app = Stepper()
    served = serve(app, settings)
    served.send(GET)
    served.transport.lose()
    served.pass_time(2.9)
    assert app.ended == [False]
    served.pass_time(0.2)
    assert app.ended == [True]
    assert served.errors == []


def test_over_tls_lingering_ends_with_a_close_that_says_so(serve: Serve, settings: Settings) -> None:
    # Aborted, a TLS connection ends without close_notify, and an answer until the end looks cut off.
    served = serve(hello, settings, extra={"sslcontext": object()})
    served.send(b"GET / HTTP/9.9\r\n\r\n")
    served.pass_time(5.1)
    assert (served.is_closed, served.transport.was_aborted) == (True, False)


@pytest.mark.parametrize("field", ["first_byte_timeout_s", "header_timeout_s", "body_timeout_s", "write_timeout_s"])
def test_zero_switches_a_deadline_off(serve: Serve, field: str) -> None:
    settings = Settings(**{field: 0.0})
    served = serve(echo if field == "body_timeout_s" else big(MIB), settings)
    served.transport.is_client_reading = False
    if field == "header_timeout_s":
        served.send(GET[:5])
    elif field == "body_timeout_s":
        served.send(POST_5)
    elif field == "write_timeout_s":
        served.send(GET)
    for _ in range(5):
        served.pass_time(100_000)
    assert not served.is_closed
