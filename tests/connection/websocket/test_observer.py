"""What the observer is told of a WebSocket."""

from __future__ import annotations

from typing import Any

from gasgi.proxy.policy import ProxyPolicy
from gasgi.proxy.protocol import ProxyInfo
from gasgi.serving.runtime import Runtime
from gasgi.settings import Settings
from tests.support.frames import CLOSE, FIN, client_frame
from tests.support.served import Served
from tests.support.websocket_rig import HANDSHAKE, WebSocketRig


class RecordingObserver:
    """What the observer is told."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.ended: list[Any] = []

    def begin(self, head: Any, client: Any, server: Any, scheme: str, proxied: Any = None) -> str:
        self.began.append((head.path, client, server, scheme))
        self.proxied = proxied
        return "view"

    def end(self, view: str, status: int, headers: Any, sent_bytes: int, duration_s: float) -> None:
        assert view == "view"
        assert duration_s >= 0
        self.ended.append((status, list(headers), sent_bytes))


def test_a_websocket_counts_as_one_request_once_it_is_answered() -> None:
    with WebSocketRig(accept=False) as rig:
        assert rig.runtime.requests_completed == 0
        rig.say({"type": "websocket.accept"})
        assert rig.runtime.requests_completed == 1
        rig.send(client_frame(FIN | CLOSE))
        rig.lose()
        assert rig.runtime.requests_completed == 1
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.close"})
        rig.lose()
        assert rig.runtime.requests_completed == 1


def test_the_observer_hears_of_an_accepted_websocket_when_it_is_over() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer) as rig:
        assert observer.began == [("/chat", ("192.0.2.1", 50000), ("192.0.2.2", 8000), "ws")]
        rig.text("hello")
        rig.transport.is_client_reading = False  # and so the connection is not over with the answer to its close
        rig.send(client_frame(FIN | CLOSE))
        assert observer.ended == []
        rig.lose()
        ((status, headers, sent_bytes),) = observer.ended
        assert (status, headers) == (101, [])
        assert sent_bytes == 7 + 2
    assert len(observer.ended) == 1


def test_the_observer_hears_of_a_refusal_at_once() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        rig.say({"type": "websocket.close"})
        assert observer.ended == [(403, [(b"content-length", b"0")], 0)]
    assert len(observer.ended) == 1


def test_the_observer_hears_of_a_denial_and_its_body() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        headers = [(b"content-length", b"4")]
        rig.say({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        rig.say({"type": "websocket.http.response.body", "body": b"body"})
        assert observer.ended == [(401, headers, 4)]


def test_a_denial_in_chunks_counts_its_body_alone() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 401, "headers": []})
        rig.say({"type": "websocket.http.response.body", "body": b"body", "more_body": True})
        rig.say({"type": "websocket.http.response.body"})
        assert rig.transport.take().endswith(b"\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
        assert observer.ended == [(401, [], 4)]


def test_a_refused_handshake_is_observed_with_the_client_that_a_trusted_proxy_names() -> None:
    observer = RecordingObserver()
    settings = Settings(forwarded_allow_ips=("192.0.2.1",))

    def prepare(runtime: Runtime) -> None:
        runtime.observer = observer  # type: ignore[assignment]
        runtime.proxy = ProxyPolicy(settings)

    with Served(settings=settings, prepare=prepare) as rig:
        fields = HANDSHAKE.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12")
        answer = rig.ask(fields + b"X-Forwarded-For: 203.0.113.9\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 426 ")
        ((_, client, _, _),) = observer.began
        assert client == ("203.0.113.9", 0)
        assert [status for status, *_ in observer.ended] == [426]


def test_the_observer_hears_what_the_proxy_protocol_said() -> None:
    observer = RecordingObserver()
    proxied = ProxyInfo("TCP4", ("203.0.113.9", 1), ("192.0.2.2", 443))
    with Served(observer=observer) as rig:
        rig.lose()
        rig.connect(proxied)
        rig.send(HANDSHAKE + b"\r\n")
        assert observer.proxied is proxied


def test_the_observer_hears_of_a_client_that_left_before_the_answer() -> None:
    observer = RecordingObserver()
    with WebSocketRig(observer=observer, accept=False) as rig:
        rig.lose()
        assert observer.ended == [(499, [], 0)]
