"""Who hears of a request, and that none of them can hurt it."""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.instrument.statsd import Statsd

from gasgi.proxy.protocol import ProxyInfo
from gasgi.reporting.observer import Observer, make_observer
from gasgi.reporting.statsd import QuietSocket, guard_statsd, make_gauges
from tests.support.fake_head import FakeHead
from tests.support.fakes import RecordingLog

CLIENT = ("192.0.2.1", 50000)
SERVER = ("192.0.2.2", 8000)
HEAD = FakeHead(b"/a")


@pytest.fixture(autouse=True)
def loggers():
    """Leave gunicorn's loggers as they were found."""
    kept = [logging.getLogger(name) for name in ("gunicorn.access", "gunicorn.error")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in kept]
    yield
    for logger, (handlers, level, propagate) in zip(kept, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def config(**settings: Any) -> Config:
    cfg = Config()
    for name, value in settings.items():
        cfg.set(name, value)
    return cfg


def run_one(observer: Observer, status: int = 200, head: Any = HEAD) -> None:
    view = observer.begin(head, CLIENT, SERVER, "http")
    observer.end(view, status, [(b"content-length", b"3")], 3, 0.25)


class RecordingStatsd(Statsd):
    """Statsd without a socket."""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.datagrams: list[str] = []

    def _sock_send(self, msg: Any) -> None:
        self.datagrams.append(msg)


def test_nobody_listens_by_default():
    cfg = config()
    assert make_observer(None, cfg, Logger(cfg)) is None


def test_access_log_gets_one_line_for_each_answer(tmp_path):
    cfg = config(accesslog=str(tmp_path / "log"), access_log_format="%(m)s %(s)s %(b)s %(D)s")
    observer = make_observer(None, cfg, Logger(cfg))
    run_one(observer)
    run_one(observer, 499)
    run_one(observer, 431, head=None)
    assert (tmp_path / "log").read_text() == "GET 200 3 250000\nGET 499 3 250000\n- 431 3 250000\n"


METRICS = ["gunicorn.request.duration:250.0|ms", "gunicorn.requests:1|c|@1.0", "gunicorn.request.status.503:1|c|@1.0"]


@pytest.mark.parametrize("with_access_log", [False, True])
def test_statsd_gets_its_metrics_with_and_without_an_access_log(tmp_path, with_access_log):
    path = tmp_path / "log"
    cfg = config(statsd_host="127.0.0.1:1", access_log_format="%(s)s", accesslog=str(path) if with_access_log else None)
    log = RecordingStatsd(cfg)
    run_one(make_observer(None, cfg, log), 503)
    assert log.datagrams == METRICS
    assert (path.read_text() if with_access_log else "503\n") == "503\n"


def test_statsd_metrics_are_the_ones_gunicorn_sends():
    cfg = config(statsd_host="127.0.0.1:1")
    log = RecordingStatsd(cfg)
    observer = make_observer(None, cfg, log)
    run_one(observer, 503)
    ours, log.datagrams = log.datagrams, []
    view = observer.begin(HEAD, CLIENT, SERVER, "http")

    class Response:
        status = "503 Service Unavailable"
        headers = ()

    Statsd.access(log, Response(), view, view.environ, timedelta(seconds=0.25))
    assert log.datagrams == ours


def test_logger_class_of_the_user_is_always_asked():
    heard = []

    class Own(Logger):
        def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
            heard.append((resp.status, req.uri, environ["REMOTE_ADDR"], request_time))

    cfg = config()
    run_one(make_observer(None, cfg, Own(cfg)))
    assert heard == [("200 OK", "/a", "192.0.2.1", timedelta(seconds=0.25))]


def test_logger_class_with_atoms_of_its_own_makes_the_lines(tmp_path):
    class Own(Logger):
        def atoms(self, *args: Any) -> dict[str, Any]:
            return {**super().atoms(*args), "s": "two hundred"}

    cfg = config(accesslog=str(tmp_path / "log"), access_log_format="%(s)s")
    run_one(make_observer(None, cfg, Own(cfg)))
    assert (tmp_path / "log").read_text() == "two hundred\n"


def test_hooks_get_worker_request_environ_and_response():
    heard: list[Any] = []
    worker = object()
    cfg = config(
        pre_request=lambda worker, req: heard.append((worker, req)),
        post_request=lambda worker, req, environ, resp: heard.append((worker, req, environ, resp)),
    )
    run_one(make_observer(worker, cfg, Logger(cfg)))
    (first_worker, request), (second_worker, same_request, environ, response) = heard
    assert first_worker is second_worker is worker
    assert same_request is request
    assert (request.method, request.path) == ("GET", "/a")
    assert environ["RAW_URI"] == "/a"
    assert (response.status, response.sent, response.headers) == ("200 OK", 3, [("content-length", "3")])


def test_hooks_of_fewer_parameters_work():
    heard: list[Any] = []
    cfg = config(post_request=lambda worker, req: heard.append(req.path))
    run_one(make_observer(None, cfg, Logger(cfg)))
    cfg = config(post_request=lambda worker, req, environ: heard.append(environ["RAW_URI"]))
    run_one(make_observer(None, cfg, Logger(cfg)))
    assert heard == ["/a", "/a"]


def test_hooks_hear_of_a_request_without_a_head():
    heard: list[Any] = []
    cfg = config(post_request=lambda worker, req, environ, resp: heard.append((req.method, environ, resp.status)))
    run_one(make_observer(None, cfg, Logger(cfg)), 400, head=None)
    ((method, environ, status),) = heard
    assert (method, environ["REQUEST_METHOD"], status) == ("-", "-", "400 Bad Request")


def test_default_hooks_cost_nothing_above_debug():
    cfg = config(loglevel="info")
    assert make_observer(None, cfg, Logger(cfg)) is None


def test_default_pre_request_hook_logs_at_debug():
    cfg = config(loglevel="debug", errorlog="-")

    class Worker:
        log = RecordingLog()

    run_one(make_observer(Worker, cfg, Logger(cfg)))
    assert Worker.log.lines == [("debug", "GET /a")]


@pytest.mark.parametrize("hook", ["pre_request", "post_request"])
def test_hook_that_raises_is_logged_and_the_rest_goes_on(tmp_path, hook):
    def broken(worker: Any, req: Any) -> None:
        raise ValueError("broken hook")

    path, errors = tmp_path / "log", tmp_path / "errors"
    cfg = config(accesslog=str(path), access_log_format="%(s)s", errorlog=str(errors), **{hook: broken})
    run_one(make_observer(None, cfg, Logger(cfg)))
    assert path.read_text() == "200\n"
    assert f"Exception in the {hook} hook" in errors.read_text()
    assert "ValueError: broken hook" in errors.read_text()


def test_logger_that_raises_is_logged_and_the_hooks_go_on(tmp_path):
    class Broken(Logger):
        def access(self, *args: Any) -> None:
            raise ValueError("broken logger")

    heard: list[Any] = []
    cfg = config(errorlog=str(tmp_path / "errors"), post_request=lambda worker, req: heard.append(req.path))
    run_one(make_observer(None, cfg, Broken(cfg)))
    assert heard == ["/a"]
    assert "ValueError: broken logger" in (tmp_path / "errors").read_text()


def test_proxy_header_reaches_the_hooks():
    heard: list[Any] = []
    cfg = config(post_request=lambda worker, req, environ, resp: heard.append(req.proxy_protocol_info))
    observer = make_observer(None, cfg, Logger(cfg))
    view = observer.begin(HEAD, CLIENT, SERVER, "http", ProxyInfo("TCP4", CLIENT, SERVER))
    observer.end(view, 200, [], 0, 0.0)
    assert heard == [
        {
            "proxy_protocol": "TCP4",
            "client_addr": "192.0.2.1",
            "client_port": 50000,
            "proxy_addr": "192.0.2.2",
            "proxy_port": 8000,
        }
    ]


def test_gauges_go_to_statsd_under_one_prefix():
    cfg = config(statsd_host="127.0.0.1:1", statsd_prefix="site")
    log = RecordingStatsd(cfg)
    make_gauges(log)({"connections": 3, "loop_lag_ms": 0.5})
    assert log.datagrams == ["site.gasgi.connections:3|g", "site.gasgi.loop_lag_ms:0.5|g"]


def test_there_are_no_gauges_without_statsd():
    assert make_gauges(Logger(config())) is None


def test_json_is_missed_where_the_users_logger_class_writes_the_lines():
    class Own(Logger):
        def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None: ...

    cfg = config(accesslog="-")
    log = Own(cfg)
    heard: list[str] = []
    log.warning = lambda text, *args: heard.append(text % args)  # type: ignore[method-assign]
    make_observer(None, cfg, log, is_json=True)
    (line,) = heard
    assert line.startswith("gasgi_access_log_json has no effect: logger_class")


def test_metrics_that_nobody_takes_are_one_line_a_minute():
    now = [1000.0]
    log = RecordingLog()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected:
        connected.connect(address)
        quiet = QuietSocket(connected, log, lambda: now[0])
        for second in range(61):
            now[0] = 1000.0 + second
            for _ in range(4):  # every other is refused: that is when the kernel tells of the one before
                quiet.send(b"m")
    assert len(log.lines) == 2
    assert all(level == "warning" for level, _ in log.lines)
    assert log.lines[0][1] == "Cannot send metrics to statsd (--statsd-host), 1 lost: Connection refused"
    assert log.lines[1][1].startswith("Cannot send metrics to statsd (--statsd-host), 12")


def test_a_statsd_that_does_not_read_its_unix_socket_blocks_nobody(tmp_path):
    log = RecordingLog()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lazy,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        lazy.bind(str(tmp_path / "s"))
        sock.connect(str(tmp_path / "s"))
        quiet = QuietSocket(sock, log)
        for _ in range(5000):
            quiet.send(b"m" * 100)
    assert len(log.lines) == 1


def test_the_socket_of_a_statsd_logger_is_guarded_once_and_others_are_left_alone():
    cfg = config(statsd_host="127.0.0.1:1")
    log = Statsd(cfg)
    guard_statsd(log)
    guarded = log.sock
    guard_statsd(log)
    assert isinstance(guarded, QuietSocket)
    assert log.sock is guarded
    heard: list[str] = []
    log.error_log.handlers[:] = [_Hearing(heard)]
    for _ in range(50):
        log.warning("said")
        log.increment("a", 1)
    assert len([line for line in heard if line != "said"]) == 1
    guard_statsd(Logger(config()))


class _Hearing(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        assert not record.exc_info
        self.heard.append(record.getMessage())
