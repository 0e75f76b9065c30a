"""ASGI specification, "Application interface": rows A1 to A16 of docs/asgi.md."""

from __future__ import annotations

import asyncio
import collections
import types
from typing import Any

import pytest

from gasgi.asgi.asgi2 import single_callable
from gasgi.errors import ASGIMisuse, ClientDisconnected, SettingError
from gasgi.settings import EXTENSIONS, Settings
from tests.support.answers import read_response
from tests.support.odd_errors import ODD
from tests.support.served import GET, Served
from tests.support.websocket_rig import WebSocketRig

GET_TRAILERS = b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"
EVENT = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"ok"}


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(EVENT)
    await send(BODY)


class Instance:
    """An ASGI 3 application as an object."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)


def plain(scope: Any, receive: Any, send: Any) -> Any:
    return hello(scope, receive, send)


@pytest.mark.parametrize("app", [hello, Instance(), plain], ids=["coroutine", "instance", "plain"])
def test_a1_awaits_whatever_the_app_returns(app: Any) -> None:
    with Served(single_callable(app)) as rig:
        assert read_response(rig.ask())[2] == b"ok"


def test_a2_scope_is_a_dict_with_a_type() -> None:
    with Served() as rig:
        rig.ask()
        assert type(rig.call.scope) is dict
        assert rig.call.scope["type"] == "http"


def test_a3_asgi_names_both_versions() -> None:
    with Served() as rig:
        rig.ask()
        assert rig.call.scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}


def test_a4_one_call_for_each_request() -> None:
    with Served() as rig:
        for number in range(1, 4):
            rig.ask()
            assert len(rig.calls) == number
            rig.call.start()
            rig.call.say("body")
            rig.call.finish()


def test_a5_runs_in_a_task_of_the_worker_s_loop() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((asyncio.get_running_loop(), asyncio.current_task()))
        async with asyncio.Lock():
            await asyncio.wait_for(asyncio.sleep(0), 5)
        await hello(scope, receive, send)

    with Served(app) as rig:
        assert read_response(rig.ask())[0] == 200
        assert seen[0][0] is rig.loop
        assert isinstance(seen[0][1], asyncio.Task)


def test_a6_events_hold_plain_values() -> None:
    with Served() as rig:
        rig.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
        event = rig.call.hear()
        assert event == {"type": "http.request", "body": b"body", "more_body": False}
        assert [type(value) for value in event.values()] == [str, bytes, bool]


def test_a7_send_returns_when_the_connection_closes_under_it() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.connection.pause_writing()
        task = rig.call.say("body", body=b"x", more_body=True)
        assert not task.done()
        rig.lose()
        with pytest.raises(ClientDisconnected):
            task.result()


WRONG = [
    {"type": "http.response.unknown"},
    {"type": None},
    {},
    {"type": "websocket.send", "text": ""},
    {"type": "http.response.start"},
    {"type": "http.response.start", "status": "200"},
    {"type": "http.response.start", "status": True},
    {"type": "http.response.start", "status": 99},
    {"type": "http.response.start", "status": 101},
    {"type": "http.response.start", "status": 1000},
    {"type": "http.response.start", "status": 200, "headers": [("content-type", "text/plain")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"content-type", "text/plain")]},
    {"type": "http.response.start", "status": 200, "headers": [b"content-type"]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nb: c")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\x00")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x y", b"a")]},
    {"type": "http.response.start", "status": 200, "headers": [(b":status", b"200")]},
    {"type": "http.response.start", "status": 200, "headers": 5},
    {"type": "http.response.body", "body": b""},
    {"type": "http.response.trailers", "headers": []},
    {"type": "http.response.pathsend", "path": "/dev/null"},
    {"type": "http.response.zerocopysend", "file": 0},
]


@pytest.mark.parametrize("event", WRONG, ids=str)
def test_a8_a_wrong_event_raises_out_of_send_and_the_app_may_still_answer(event: Any) -> None:
    with Served() as rig:
        rig.ask()

        async def send() -> None:
            await rig.call.send(event)

        with pytest.raises((ASGIMisuse, TypeError)):
            rig.run(send())
        assert rig.transport.take() == b""
        rig.call.start()
        rig.call.say("body", body=b"ok")
        assert read_response(rig.transport.take())[::2] == (200, b"ok")


@pytest.mark.parametrize("body", ["text", 5, None, [b"a"], {}], ids=str)
def test_a8_a_body_that_is_no_bytes_raises_out_of_send(body: Any) -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        with pytest.raises(ASGIMisuse):
            rig.call.say("body", body=body)
        rig.call.say("body", body=b"ok")
        assert read_response(rig.transport.take())[2] == b"ok"


@pytest.mark.parametrize("event", ["text", None, 5, [("type", "http.response.start")]], ids=str)
def test_a8_what_is_no_event_at_all_raises_out_of_send(event: Any) -> None:
    with Served() as rig:
        rig.ask()

        async def send() -> None:
            await rig.call.send(event)

        with pytest.raises(ASGIMisuse):
            rig.run(send())


class Event(dict[str, Any]):
    """What a framework with events of its own sends."""


@pytest.mark.parametrize(
    "kind", [Event, collections.OrderedDict, types.MappingProxyType], ids=lambda kind: kind.__name__
)
def test_a6_events_may_be_any_mapping(kind: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(kind(EVENT))
        await send(kind(BODY))

    with Served(app) as rig:
        assert read_response(rig.ask())[2] == b"ok"


def test_a9_unknown_keys_of_events_are_ignored() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.say("start", status=200, colour="blue")
        rig.call.say("body", body=b"ok", taste=5)
        assert read_response(rig.transport.take())[2] == b"ok"


def test_a10_an_exception_before_the_answer_is_logged_and_answered_500() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"content-type", b"text/html"))
        rig.call.crash(ValueError("oops"))
        status, fields, _ = read_response(rig.transport.take())
        assert status == 500
        assert fields[b"connection"] == b"close"
        assert rig.log.levels("exception") == ["Exception in ASGI app during GET /"]


def test_a10_an_exception_within_the_answer_ends_the_connection() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start(200, (b"content-length", b"10"))
        rig.call.say("body", body=b"half", more_body=True)
        rig.call.crash(ValueError("oops"))
        assert rig.transport.take().endswith(b"\r\n\r\nhalf")
        assert rig.transport.is_closing()
        assert rig.log.levels("exception")


@pytest.mark.parametrize("exc", [SystemExit(3), BaseException("odd"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_a10_one_request_does_not_end_the_worker(exc: BaseException) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise exc

    with Served(app) as rig:
        assert read_response(rig.ask())[0] == 500


def test_a11_events_behind_the_end_are_ignored() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"ok")
        rig.transport.take()
        rig.call.start(500)
        for kind in ("body", "trailers", "pathsend", "zerocopysend", "early_hint"):
            rig.call.say(kind)
        assert rig.transport.take() == b""


def test_a12_send_after_the_client_left_raises_an_os_error_that_is_not_logged() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        assert await receive() == {"type": "http.disconnect"}
        await send(EVENT)

    with Served(app) as rig:
        rig.ask()
        rig.lose()
        assert rig.log.levels("error", "exception", "warning") == []


def test_a13_extensions_are_announced_where_they_work() -> None:
    with Served() as rig:
        rig.ask()
        assert rig.call.scope["extensions"] == {"http.response.early_hint": {}}


class Flask:
    """As Flask, Django's WSGIHandler, Falcon and Bottle are called."""

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


def wsgi(environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize(("app", "name"), [(Flask(), "Flask"), (wsgi, "wsgi"), (Flask().__call__, "Flask.__call__")])
def test_a14_a_wsgi_application_is_told_as_such(app: Any, name: str) -> None:
    with pytest.raises(SettingError, match=f"this is a WSGI application: {name} takes two arguments"):
        single_callable(app)


@pytest.mark.parametrize(
    "app", [lambda *args: None, lambda scope, receive, send=None: None, lambda scope, more=0: None]
)
def test_a14_what_may_be_asgi_is_left_alone(app: Any) -> None:
    single_callable(app)


FILES = ("http.response.pathsend", "http.response.zerocopysend")


@pytest.mark.parametrize(
    ("names", "http", "with_trailers", "websocket"),
    [
        ((), [], [], []),
        (EXTENSIONS, [EXTENSIONS[0]], list(EXTENSIONS[:2]), ["websocket.http.response"]),
        (FILES, list(FILES), list(FILES), []),
        (("tls", "http.response.trailers", FILES[0]), [FILES[0]], ["http.response.trailers", FILES[0]], []),
    ],
    ids=["none", "default", "files", "some"],
)
def test_a13_extensions_are_those_of_the_setting(
    names: tuple[str, ...], http: list[str], with_trailers: list[str], websocket: list[str]
) -> None:
    settings = Settings(asgi_extensions=names)
    for request, announced in ((GET, http), (GET_TRAILERS, with_trailers)):
        with Served(settings=settings) as rig:
            rig.ask(request)
            assert list(rig.call.scope["extensions"]) == announced
            assert all(type(value) is dict for value in rig.call.scope["extensions"].values())
    with WebSocketRig(settings=settings) as websocket_rig:
        assert list(websocket_rig.call.scope["extensions"]) == websocket


def test_a13_extensions_of_two_requests_are_not_the_same_dict() -> None:
    settings = Settings(asgi_extensions=(*EXTENSIONS, *FILES))
    scopes = []
    for _ in range(2):
        with Served(settings=settings) as rig:
            rig.ask()
            scopes.append(rig.call.scope["extensions"])
    scopes[0]["http.response.pathsend"]["changed"] = True
    scopes[0].clear()
    assert scopes[1] == {name: {} for name in (EXTENSIONS[0], *FILES)}


class Double:
    """An ASGI 2 application as a class."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await hello(self.scope, receive, send)


def double(scope: Any) -> Any:
    async def instance(receive: Any, send: Any) -> None:
        await hello(scope, receive, send)

    return instance


@pytest.mark.parametrize("app", [Double, double], ids=["class", "function"])
def test_a14_asgi_2_applications_work(app: Any) -> None:
    with Served(single_callable(app)) as rig:
        assert read_response(rig.ask())[2] == b"ok"


async def with_defaults(scope: Any, receive: Any = None, send: Any = None) -> None: ...


def anything(*args: Any, **kwargs: Any) -> Any: ...


@pytest.mark.parametrize("app", [hello, plain, Instance(), with_defaults, anything, dict.get])
def test_a14_asgi_3_applications_are_left_alone(app: Any) -> None:
    assert single_callable(app) is app


def test_a15_every_key_of_the_scope_is_a_str() -> None:
    with Served() as rig:
        rig.ask()
        assert {type(key) for key in rig.call.scope} == {str}


def test_a16_requests_share_no_value_that_can_change() -> None:
    def prepare(runtime: Any) -> None:
        runtime.state = {"pool": object()}

    with Served(prepare=prepare) as rig:
        for _ in range(2):
            rig.ask(GET)
            rig.call.start()
            rig.call.say("body")
            rig.call.finish()
        first, second = (call.scope for call in rig.calls)
        assert first is not second
        for key in ("asgi", "headers", "extensions", "state"):
            assert first[key] == second[key]
            assert first[key] is not second[key]
        for name, value in first["extensions"].items():
            assert value is not second["extensions"][name]
        assert first["state"]["pool"] is second["state"]["pool"]


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_answers_500_and_logs_one_line_for_any_exception(make: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise make()

    with Served(app) as rig:
        assert read_response(rig.ask())[0] == 500
        (line,) = rig.log.levels("error", "exception")
        assert line.startswith("Exception in ASGI app during GET /")
