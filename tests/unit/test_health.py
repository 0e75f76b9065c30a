"""The gauges of a worker: what is counted, and how late the loop is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gasgi.asgi.websocket import WebSocketSession
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from gasgi.worker.health import Health
from tests.support.fakes import RecordingLog
from tests.support.heads import make_head


class Loop:
    """A loop whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def time(self) -> float:
        return self.now

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        callback()


async def app(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.fixture
def sent() -> list[Mapping[str, float]]:
    return []


def make_health(send: Any, **settings: Any) -> tuple[Health, Runtime, Loop]:
    loop: Any = Loop()
    runtime = Runtime(loop, app, Settings(**settings), RecordingLog())
    return Health(runtime, send), runtime, loop


def test_counts_connections_requests_and_websockets(sent):
    health, runtime, _ = make_health(sent.append)
    connections: list[Any] = ["one", "two", "three"]
    runtime.connections.update(connections)
    nothing: Any = None
    head = make_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    runtime.conversations.update(WebSocketSession(runtime, nothing, nothing, {}, head) for _ in range(2))
    request: Any = "a request"
    runtime.conversations.add(request)
    health.tick()
    assert sent == [{"connections": 3, "requests_in_progress": 1, "websockets": 2, "loop_lag_ms": 0.0}]


def test_a_tick_that_comes_late_is_the_lag_of_the_loop(sent):
    health, _, loop = make_health(sent.append)
    health.tick()
    loop.now += 1.07
    health.tick()
    loop.now += 1.0
    health.tick()
    assert [gauges["loop_lag_ms"] for gauges in sent] == [0.0, pytest.approx(70.0), 0.0]


def test_a_loop_that_ticks_faster_while_it_drains_is_not_early(sent):
    health, _, loop = make_health(sent.append)
    health.tick()
    loop.now += 0.1
    health.tick()
    assert sent[1]["loop_lag_ms"] == 0.0


def test_the_watch_knows_of_lag_between_the_ticks(sent):
    class Watch:
        def take_longest_s(self) -> float:
            return 0.25

    health, _, _ = make_health(sent.append)
    watch: Any = Watch()
    health._watch = watch
    health.tick()
    assert sent[0]["loop_lag_ms"] == 250.0


def test_counts_nothing_when_nobody_collects():
    health, runtime, _ = make_health(None)
    conversations: Any = None
    runtime.conversations = conversations
    health.tick()


@pytest.mark.parametrize("slow_loop_ms", [0.0, 50.0])
def test_watches_the_loop_only_when_asked(slow_loop_ms):
    health, _, _ = make_health(None, slow_loop_ms=slow_loop_ms)
    before = threading.active_count()
    health.start()
    assert threading.active_count() - before == (1 if slow_loop_ms else 0)
    health.stop()
    assert threading.active_count() == before
