"""What an application puts into an event may itself send, while the event is read: only one answer leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gasgi.errors import ASGIMisuse
from tests.support.answers import read_response
from tests.support.served import Served
from tests.support.websocket_rig import WebSocketRig

GET = b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"inner")]}
BODY = {"type": "http.response.body", "body": b"inner"}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-digest", b"inner")]}

Run = Callable[[], Any]


def iterator(run: Run, *items: Any) -> Any:
    run()
    yield from items


class Octets(bytes):
    """Runs code of the application's where it is copied."""

    run: Run

    def __bytes__(self) -> bytes:
        self.run()
        return self[:]


class Buffer(bytearray):
    run: Run

    def __bytes__(self) -> bytes:
        self.run()
        return b"outer"


class Truth:
    def __init__(self, run: Run, value: bool) -> None:
        self.run, self.value = run, value

    def __bool__(self) -> bool:
        self.run()
        return self.value


class Status(int):
    run: Run

    def __int__(self) -> int:
        self.run()
        return self + 0


def with_run(kind: Any, run: Run, *args: Any) -> Any:
    made = kind(*args)
    made.run = run
    return made


STARTS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "fields": lambda run: {"headers": iterator(run, (b"x", b"outer"))},
    "a pair": lambda run: {"headers": [iterator(run, b"x", b"outer")]},
    "a name": lambda run: {"headers": [(with_run(Octets, run, b"x"), b"outer")]},
    "a value": lambda run: {"headers": [(b"x", with_run(Octets, run, b"outer"))]},
    "trailers": lambda run: {"trailers": Truth(run, False), "headers": [(b"x", b"outer")]},
    "status": lambda run: {"status": with_run(Status, run, 200), "headers": [(b"x", b"outer")]},
}


def send_all(send: Any, *events: dict[str, Any]) -> Run:
    """Return what sends ``events``, each with the outcome that it would have if it were awaited, and once only."""
    outcomes: list[Any] = []

    def run() -> None:
        while waiting:
            try:
                send(waiting.pop(0)).send(None)
            except (StopIteration, ASGIMisuse) as exc:
                outcomes.append(type(exc))

    waiting = list(events)
    run.outcomes = outcomes  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("make", STARTS.values(), ids=STARTS)
def test_what_a_head_is_read_from_cannot_answer(make):
    with Served() as rig:
        rig.ask(GET)
        run: Any = send_all(rig.call.send, START, BODY, START | {"type": "http.response.early_hint"})
        rig.call.say("start", **{"status": 200, **make(run)})
        if run.outcomes:  # a pure twin reads bytes of a subclass where they are
            assert run.outcomes == [ASGIMisuse] * 3
        rig.call.say("body", body=b"outer")
        status, fields, body = read_response(rig.transport.take())
        assert (status, fields[b"x"], body) == (200, b"outer", b"outer")


def test_a_head_that_raises_while_it_is_read_can_be_sent_again():
    with Served() as rig:
        rig.ask(GET)
        with pytest.raises(ZeroDivisionError):
            rig.call.say("start", status=200, headers=((b"x", b"%d" % (1 // number)) for number in (1, 0)))
        rig.call.start(204)
        rig.call.say("body")
        assert rig.transport.take().startswith(b"HTTP/1.1 204 ")


BODIES: dict[str, Callable[[Run], dict[str, Any]]] = {
    "its bytes": lambda run: {"body": with_run(Buffer, run, b"outer")},
    "more_body": lambda run: {"body": b"outer", "more_body": Truth(run, False)},
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES)
def test_a_body_that_ends_the_response_while_it_is_read_is_ignored(make):
    with Served() as rig:
        rig.ask(GET)
        rig.call.start()
        rig.call.say("body", **make(send_all(rig.call.send, BODY)))
        assert read_response(rig.transport.take())[2] == b"inner"


@pytest.mark.parametrize("key", ["headers", "more_trailers"])
def test_trailers_that_end_the_response_while_they_are_read_are_ignored(key):
    with Served() as rig:
        rig.ask(GET)
        rig.call.start(trailers=True)
        rig.call.say("body", body=b"outer")
        run = send_all(rig.call.send, TRAILERS)
        rig.call.say(
            "trailers", **{key: iterator(run, (b"x-digest", b"outer")) if key == "headers" else Truth(run, False)}
        )
        data = rig.transport.take()
        assert data.endswith(b"\r\n0\r\nx-digest: inner\r\n\r\n")
        assert data.count(b"x-digest") == 1


INTERIM: dict[str, Callable[[Run], tuple[str, dict[str, Any]]]] = {
    "links": lambda run: ("early_hint", {"links": iterator(run, b"</a>")}),
    "a link": lambda run: ("early_hint", {"links": [with_run(Octets, run, b"</a>")]}),
    "fields": lambda run: ("informational", {"status": 103, "headers": iterator(run, (b"x", b"y"))}),
    "status": lambda run: ("informational", {"status": with_run(Status, run, 103)}),
}


@pytest.mark.parametrize("make", INTERIM.values(), ids=INTERIM)
def test_nothing_goes_out_behind_an_answer_that_was_sent_while_it_was_read(make):
    with Served() as rig:
        rig.ask(GET)
        kind, keys = make(send_all(rig.call.send, START, BODY))
        rig.call.say(kind, **keys)
        data = rig.transport.take()
        assert data.startswith(b"HTTP/1.1 200 ")
        assert read_response(data)[2] == b"inner"


ACCEPTS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "fields": lambda run: {"headers": iterator(run, (b"x", b"outer"))},
    "a name": lambda run: {"headers": [(with_run(Octets, run, b"x"), b"outer")]},
}


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start"])
@pytest.mark.parametrize("inner", ["websocket.accept", "websocket.close"])
@pytest.mark.parametrize("make", ACCEPTS.values(), ids=ACCEPTS)
def test_what_a_handshake_is_answered_with_cannot_answer_it_too(kind, inner, make):
    with WebSocketRig(accept=False) as rig:
        keys = make(send_all(rig.call.send, {"type": inner}))
        with pytest.raises(ASGIMisuse, match=r"sent another event while it was read"):
            rig.say({"type": kind, "status": 401, **keys})
        data = rig.transport.take()
        assert data.count(b"HTTP/1.1") == 1
        assert data.startswith(b"HTTP/1.1 101 " if inner == "websocket.accept" else b"HTTP/1.1 403 ")


def test_a_denial_that_is_ended_while_its_body_is_read_ends_once():
    with WebSocketRig(accept=False) as rig:
        rig.say({"type": "websocket.http.response.start", "status": 401})
        kind = "websocket.http.response.body"
        run = send_all(rig.call.send, {"type": kind, "body": b"inner"})
        with pytest.raises(ASGIMisuse):
            rig.say({"type": kind, "body": with_run(Buffer, run, b"outer")})
        assert read_response(rig.transport.take())[2] == b"inner"


@pytest.mark.parametrize(
    "make",
    [
        lambda run: {"type": "websocket.send", "bytes": with_run(Buffer, run, b"outer")},
        lambda run: {"type": "websocket.close", "code": with_run(Status, run, 1001)},
        lambda run: {"type": "websocket.close", "reason": Truth(run, False)},
    ],
    ids=["message", "code", "reason"],
)
def test_nothing_follows_a_close_that_was_sent_while_it_was_read(make):
    with WebSocketRig() as rig:
        run = send_all(rig.call.send, {"type": "websocket.close", "code": 3000})
        with pytest.raises(ASGIMisuse):
            rig.say(make(run))
        assert rig.transport.take() == b"\x88\x02\x0b\xb8"
