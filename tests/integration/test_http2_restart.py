"""Restarts under requests over HTTP/2: not one stream that the server has taken is lost."""

from __future__ import annotations

import signal

from gasgi.http2_codes import CANCEL
from tests.support.gunicorn import wait_until
from tests.support.http2_client import Http2Client
from tests.support.http2_load import Http2Load

APP = "tests.integration.http2_app:app"
CLEAR = 'http_protocols = "h2,h1"\nhttp2_cleartext = "prior-knowledge"\n'


def test_hup_costs_no_stream(start, loop):
    server = start(APP, workers=2, loop=loop, config=CLEAR)
    with Http2Load(server.address) as one, Http2Load(server.address) as other:
        for workers in (4, 6):
            before = one.answered, other.answered
            server.signal(signal.SIGHUP)
            server.wait_for_workers(workers)
            server.wait_for("Worker exiting", workers - 2)
            wait_until(lambda before=before: (one.answered, other.answered) > before, "answers of the new workers")
    assert one.lost + other.lost == []
    assert min(one.connections, other.connections) > 1
    assert one.answered + other.answered > 50
    assert "Traceback" not in server.stop()


def test_max_requests_costs_no_stream(start):
    options = ("--max-requests", "300", "--max-requests-jitter", "50")
    server = start(APP, *options, workers=2, config=CLEAR)
    with Http2Load(server.address) as load:
        server.wait_for("Autorestarting worker", 3)
        server.wait_for_workers(5)
    assert load.lost == []
    assert load.connections > 1
    server.stop()


def test_a_stop_ends_an_answer_that_has_no_end(start, loop):
    config = CLEAR + "gasgi_stream_drain_s = 1\nasgi_disconnect_grace_period = 1\n"
    server = start(APP, "--graceful-timeout", "30", loop=loop, config=config)
    with Http2Client(server.address) as client:
        endless, whole = client.ask(b"/endless"), client.ask(b"/stream")
        while not client.answers[endless].body:
            client.read()
        server.signal(signal.SIGTERM)
        client.read_to_the_end()
        assert client.answers[endless].reset_code == CANCEL
        assert client.answers[whole].is_whole, "it had a second left, and a grace period"
    assert server.wait() == 0
    assert "Traceback" not in server.log
