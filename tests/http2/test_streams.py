"""Streams: each arrow of their states, their numbers, and both kinds of windows (RFC 9113, 5.1, 5.2, 6.9)."""

from __future__ import annotations

import pytest

from gasgi.errors import Http2Error, StreamError
from gasgi.http2.streams import CLOSED, HALF_CLOSED_LOCAL, HALF_CLOSED_REMOTE, OPEN, Stream, Streams
from gasgi.http2_codes import FLOW_CONTROL_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED

WINDOW = 1000


def make(max_streams: int = 100, connection_window: int = 10**6) -> Streams:
    streams = Streams(max_streams, WINDOW, connection_window)
    streams.settle_window()
    return streams


def test_a_window_that_is_smaller_than_the_default_counts_once_the_client_has_heard_of_it():
    streams = Streams(100, WINDOW, 10**6)
    first = opened(streams, 1)
    streams.receive_data(1, 60_000, 60_000, False)
    streams.settle_window()
    assert first.receive_window == WINDOW - 60_000  # RFC 9113, 6.9.2: may be negative
    with pytest.raises(StreamError, match="window of the stream"):
        streams.receive_data(1, 1, 1, False)
    assert opened(streams, 3).receive_window == WINDOW


def test_a_window_that_is_larger_than_the_default_counts_at_once():
    streams = Streams(100, 100_000, 10**6)
    assert opened(streams, 1).receive_window == 100_000
    streams.settle_window()
    assert opened(streams, 3).receive_window == 100_000


def opened(streams: Streams, number: int = 1, ends: bool = False) -> Stream:
    stream = streams.receive_headers(number, ends)
    assert stream is not None
    return stream


def breaks_connection(code: int, text: str):
    return pytest.raises(Http2Error, match=f"HTTP/2 error {code}: .*{text}")


def breaks_stream(number: int, code: int, text: str):
    return pytest.raises(StreamError, match=f"HTTP/2 error {code} of stream {number}: .*{text}")


# --- 5.1: states ---


def test_headers_open_a_stream():
    streams = make()
    stream = opened(streams)
    assert (stream.number, stream.state, stream.owner) == (1, OPEN, None)
    assert streams.get(1) is stream
    assert (len(streams), list(streams), streams.last_number) == (1, [stream], 1)


def test_headers_that_end_a_stream_half_close_it():
    assert opened(make(), ends=True).state == HALF_CLOSED_REMOTE


def test_data_that_ends_a_stream_half_closes_it():
    streams = make()
    stream = opened(streams)
    assert streams.receive_data(1, 5, 5, False) is stream
    assert stream.state == OPEN
    assert streams.receive_data(1, 0, 0, True) is stream
    assert stream.state == HALF_CLOSED_REMOTE


def test_trailers_half_close_a_stream():
    streams = make()
    stream = opened(streams)
    assert streams.receive_headers(1, True) is stream
    assert stream.state == HALF_CLOSED_REMOTE


def test_an_answer_half_closes_a_stream():
    streams = make()
    stream = opened(streams)
    streams.end_local(stream)
    assert stream.state == HALF_CLOSED_LOCAL
    assert streams.get(1) is stream


@pytest.mark.parametrize("ends_with", ["headers", "data", "trailers", "late data", "late trailers"])
def test_a_request_and_its_answer_close_a_stream(ends_with):
    streams = make()
    stream = opened(streams, ends=ends_with == "headers")
    if ends_with.startswith("late"):
        streams.end_local(stream)
    if "data" in ends_with:
        streams.receive_data(1, 0, 0, True)
    elif "trailers" in ends_with:
        streams.receive_headers(1, True)
    if not ends_with.startswith("late"):
        streams.end_local(stream)
    assert stream.state == CLOSED
    assert streams.get(1) is None
    assert len(streams) == 0
    with breaks_connection(STREAM_CLOSED, "DATA on a closed stream"):
        streams.receive_data(1, 1, 1, False)


@pytest.mark.parametrize("before", ["open", "half-closed remote", "half-closed local"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_closes_a_stream(before, who):
    streams = make()
    stream = opened(streams, ends=before == "half-closed remote")
    if before == "half-closed local":
        streams.end_local(stream)
    if who == "client":
        assert streams.receive_reset(1) is stream
    else:
        streams.reset(stream)
        streams.reset(stream)
    assert stream.state == CLOSED
    assert streams.get(1) is None


def test_what_comes_behind_the_end_of_a_request_resets_the_stream():
    streams = make()
    opened(streams, ends=True)
    with breaks_stream(1, STREAM_CLOSED, "DATA after the end"):
        streams.receive_data(1, 1, 1, False)
    with breaks_stream(1, STREAM_CLOSED, "HEADERS after the end"):
        streams.receive_headers(1, True)


def test_trailers_must_end_the_stream():
    streams = make()
    opened(streams)
    with breaks_stream(1, PROTOCOL_ERROR, "trailers"):  # RFC 9113, 8.1
        streams.receive_headers(1, False)


def test_headers_on_a_closed_stream_break_the_connection():
    streams = make()
    streams.end_local(opened(streams, ends=True))
    with breaks_connection(STREAM_CLOSED, "HEADERS on a closed"):
        streams.receive_headers(1, True)


@pytest.mark.parametrize("what", ["data", "headers"])
def test_what_comes_behind_the_reset_of_the_client_is_told_once(what):
    streams = make()
    opened(streams)
    streams.receive_reset(1)

    def receive():
        return streams.receive_data(1, 1, 1, False) if what == "data" else streams.receive_headers(1, True)

    with breaks_stream(1, STREAM_CLOSED, "closed stream"):
        receive()
    assert receive() is None


def test_what_comes_behind_a_reset_of_the_server_is_ignored():
    # RFC 9113, 5.1: the client cannot know of it yet.
    streams = make()
    streams.reset(opened(streams))
    assert streams.receive_data(1, 1, 1, False) is None
    assert streams.receive_headers(1, True) is None
    assert streams.receive_window_update(1, 1) is None
    assert streams.receive_reset(1) is None


def test_nothing_is_on_its_way_once_both_have_reset_a_stream():
    streams = make()
    streams.reset(opened(streams))
    streams.receive_reset(1)
    with breaks_stream(1, STREAM_CLOSED, "closed stream"):
        streams.receive_data(1, 1, 1, False)


def test_late_window_updates_and_resets_are_ignored():
    streams = make()
    streams.end_local(opened(streams, ends=True))
    assert streams.receive_window_update(1, 1) is None
    assert streams.receive_reset(1) is None


@pytest.mark.parametrize("number", [1, 2, 5])
def test_frames_on_an_idle_stream_break_the_connection(number):
    streams = make()
    opened(streams, 3)
    streams.last_number = 3
    if number == 1:
        number = 7
    with breaks_connection(PROTOCOL_ERROR, "DATA on an idle"):
        streams.receive_data(number, 1, 1, False)
    with breaks_connection(PROTOCOL_ERROR, "RST_STREAM on an idle"):
        streams.receive_reset(number)
    with breaks_connection(PROTOCOL_ERROR, "WINDOW_UPDATE on an idle"):
        streams.receive_window_update(number, 1)


def test_a_broken_frame_breaks_its_stream():
    streams = make()
    streams.reset(opened(streams, 1))
    streams.end_local(opened(streams, 3, ends=True))
    opened(streams, 5)
    streams.receive_broken_frame(1, PROTOCOL_ERROR, "late")
    with breaks_stream(3, PROTOCOL_ERROR, "closed"):
        streams.receive_broken_frame(3, PROTOCOL_ERROR, "closed")
    streams.receive_broken_frame(3, PROTOCOL_ERROR, "closed")
    with breaks_stream(5, PROTOCOL_ERROR, "open"):
        streams.receive_broken_frame(5, PROTOCOL_ERROR, "open")
    with breaks_connection(PROTOCOL_ERROR, "idle"):  # which cannot be reset: RFC 9113, 5.1
        streams.receive_broken_frame(7, PROTOCOL_ERROR, "idle")


def test_a_broken_frame_on_a_stream_that_both_have_reset_is_answered_once():
    streams = make()
    streams.reset(opened(streams, 1))
    streams.receive_reset(1)
    with breaks_stream(1, PROTOCOL_ERROR, "late"):
        streams.receive_broken_frame(1, PROTOCOL_ERROR, "late")
    streams.receive_broken_frame(1, PROTOCOL_ERROR, "later")


# --- 5.1.1 and 5.1.2: numbers ---


@pytest.mark.parametrize("number", [2, 4, 2**31 - 2])
def test_refuses_even_numbers(number):
    with breaks_connection(PROTOCOL_ERROR, "even"):
        make().receive_headers(number, True)


def test_refuses_a_number_that_was_skipped():
    streams = make()
    opened(streams, 5)
    with breaks_connection(PROTOCOL_ERROR, "lower than an earlier one"):
        streams.receive_headers(3, True)


def test_takes_the_highest_number():
    streams = make()
    assert opened(streams, 2**31 - 1).number == 2**31 - 1
    with breaks_connection(PROTOCOL_ERROR, "lower than an earlier one"):
        streams.receive_headers(2**31 - 3, True)


def test_refuses_more_streams_than_told():
    streams = make(max_streams=2)
    first = opened(streams, 1, ends=True)
    opened(streams, 3)
    with breaks_stream(5, REFUSED_STREAM, "MAX_CONCURRENT"):
        streams.receive_headers(5, True)
    assert streams.receive_data(5, 1, 1, True) is None
    assert streams.last_number == 5
    streams.end_local(first)
    assert opened(streams, 7)


def test_forgets_closed_streams_in_bounded_memory():
    streams = make(connection_window=10**7)
    for number in range(1, 20001, 2):
        streams.end_local(opened(streams, number, ends=True))
    with breaks_connection(STREAM_CLOSED, "DATA"):
        streams.receive_data(19999, 1, 1, False)
    # Of an old one it is not known anymore how it ended.
    with breaks_stream(1, STREAM_CLOSED, "DATA"):
        streams.receive_data(1, 1, 1, False)
    with breaks_connection(PROTOCOL_ERROR, "lower than an earlier one"):
        streams.receive_headers(3, True)
    assert streams.receive_reset(5) is None
    assert len(streams) == 0


def test_ignores_new_streams_behind_the_last_goaway():
    streams = make()
    stream = opened(streams)
    streams.shut()
    assert streams.receive_headers(3, False) is None
    assert streams.receive_data(3, 5, 5, True) is None
    assert streams.receive_window_update(3, 5) is None
    assert streams.receive_reset(3) is None
    assert streams.last_number == 1
    assert streams.receive_data(1, 5, 5, True) is stream


# --- 5.2 and 6.9: windows for what is sent ---


def test_both_windows_bound_what_is_sent():
    streams = make()
    stream = opened(streams, ends=True)
    assert streams.sendable(stream) == 65535
    streams.take_send_window(stream, 65535)
    assert streams.sendable(stream) == 0
    assert streams.receive_window_update(1, 10) is stream
    assert streams.sendable(stream) == 0
    assert streams.receive_window_update(0, 7) is None
    assert streams.sendable(stream) == 7


def test_a_window_may_become_negative():
    streams = make()
    stream = opened(streams, ends=True)
    streams.take_send_window(stream, 60000)
    streams.receive_initial_window(100)  # RFC 9113, 6.9.2
    assert (stream.send_window, streams.sendable(stream)) == (100 - 60000, 0)
    streams.receive_window_update(1, 59901)
    assert streams.sendable(stream) == 1
    assert opened(streams, 3).send_window == 100


def test_a_window_must_not_overflow():
    streams = make()
    stream = opened(streams, ends=True)
    streams.receive_window_update(1, 2**31 - 1 - 65535)
    assert stream.send_window == 2**31 - 1
    with breaks_stream(1, FLOW_CONTROL_ERROR, "window of the stream"):
        streams.receive_window_update(1, 1)
    streams.receive_window_update(0, 2**31 - 1 - 65535)
    with breaks_connection(FLOW_CONTROL_ERROR, "window of the connection"):
        streams.receive_window_update(0, 1)


def test_a_setting_must_not_overflow_a_window():
    streams = make()
    opened(streams)
    streams.receive_window_update(1, 1)
    with breaks_connection(FLOW_CONTROL_ERROR, "window of a stream"):
        streams.receive_initial_window(2**31 - 1)


# --- windows for what comes ---


def test_refuses_more_than_the_window_of_a_stream():
    streams = make()
    opened(streams)
    streams.receive_data(1, WINDOW, WINDOW, False)
    with breaks_stream(1, FLOW_CONTROL_ERROR, "window of the stream"):
        streams.receive_data(1, 1, 1, False)


def test_refuses_more_than_the_window_of_the_connection():
    streams = make(connection_window=WINDOW + 5)
    opened(streams, 1)
    opened(streams, 3)
    streams.receive_data(1, WINDOW, WINDOW, False)
    streams.receive_data(3, 5, 5, False)
    with breaks_connection(FLOW_CONTROL_ERROR, "window of the connection"):
        streams.receive_data(3, 1, 1, False)


def test_padding_counts_and_comes_back():
    streams = make()
    stream = opened(streams)
    streams.receive_data(1, 400, 600, False)
    assert stream.receive_window == WINDOW - 600
    assert streams.give_back(stream, 299) == 0
    assert streams.give_back(stream, 1) == 500
    assert stream.receive_window == WINDOW - 100


def test_the_window_comes_back_as_the_app_takes():
    streams = make()
    stream = opened(streams)
    streams.receive_data(1, WINDOW, WINDOW, False)
    assert [streams.give_back(stream, 250) for _ in range(4)] == [0, 500, 0, 500]
    assert stream.receive_window == WINDOW


def test_nothing_comes_back_behind_the_end():
    streams = make()
    stream = opened(streams)
    streams.receive_data(1, WINDOW, WINDOW, True)
    assert streams.give_back(stream, WINDOW) == 0
    streams.reset(stream)
    assert streams.give_back(stream, WINDOW) == 0


def test_the_window_of_the_connection_comes_back_as_bytes_come():
    streams = make(connection_window=1000)
    opened(streams, 1)
    opened(streams, 3)
    streams.receive_data(1, 499, 499, False)
    assert streams.take_credit() == 0
    streams.receive_data(3, 0, 1, False)
    assert streams.take_credit() == 500
    assert streams.receive_window == 1000


def test_what_is_ignored_comes_back_too():
    streams = make(connection_window=1000)
    streams.reset(opened(streams))
    streams.receive_data(1, 600, 600, False)
    assert streams.take_credit() == 600


# --- 8.1.1: content-length ---


def test_holds_data_to_the_content_length():
    streams = make()
    stream = opened(streams)
    streams.expect_length(stream, 5)
    streams.receive_data(1, 5, 100, False)
    streams.receive_data(1, 0, 0, True)
    assert stream.state == HALF_CLOSED_REMOTE


def test_refuses_more_data_than_the_content_length():
    streams = make()
    streams.expect_length(opened(streams), 5)
    with breaks_stream(1, PROTOCOL_ERROR, "more DATA"):
        streams.receive_data(1, 6, 6, False)


@pytest.mark.parametrize("ends_with", ["data", "trailers"])
def test_refuses_less_data_than_the_content_length(ends_with):
    streams = make()
    streams.expect_length(opened(streams), 5)
    with breaks_stream(1, PROTOCOL_ERROR, "less DATA"):
        if ends_with == "data":
            streams.receive_data(1, 4, 4, True)
        else:
            streams.receive_headers(1, True)


def test_refuses_a_content_length_without_data():
    streams = make()
    streams.expect_length(opened(streams, 1, ends=True), 0)
    with breaks_stream(3, PROTOCOL_ERROR, "less DATA"):
        streams.expect_length(opened(streams, 3, ends=True), 1)
