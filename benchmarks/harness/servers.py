"""How each server is started: one worker, no access log, the fastest settings it has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.workloads import Workload

__all__ = ["QUICK", "SERVERS", "Launch", "Server", "gasgi_server"]

BACKLOG = "4096"
CONNECTIONS = "20000"


@dataclass(frozen=True)
class Launch:
    """What a command line is made from."""

    workload: Workload
    port: int
    certificate: Path
    key: Path
    workers: int = 1


@dataclass(frozen=True)
class Server:
    """A server under test. ``command`` gives the arguments; ``serves`` says which workloads make sense."""

    name: str
    command: Callable[[Launch], list[str]]
    env: dict[str, str] = field(default_factory=dict)
    serves: Callable[[Workload], bool] = lambda workload: True
    source: Path | None = None  # goes onto the path before everything else
    distribution: str = ""  # without it the server cannot run; its wheels are not there for every Python


def _gunicorn(worker_class: str, *more: str, python: str = sys.executable) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        words = [python, "-m", "gunicorn", launch.workload.app, "--worker-class", worker_class]
        words += ["--workers", str(launch.workers)]
        words += ["--bind", f"127.0.0.1:{launch.port}", "--backlog", BACKLOG, "--worker-connections", CONNECTIONS]
        words += ["--keep-alive", "75", "--log-level", "warning", "--no-control-socket", *more]
        if launch.workload.is_http2:
            words += ["--http-protocols", "h2,h1", "--http2-cleartext", "prior-knowledge"]
        if launch.workload.is_tls:
            words += ["--certfile", str(launch.certificate), "--keyfile", str(launch.key)]
        return words

    return command


def _granian(launch: Launch) -> list[str]:
    # One runtime thread is its default and its advice for one worker; two measured no better, the single-threaded mode
    # 3 % better.
    words = [sys.executable, "-m", "granian", launch.workload.app, "--interface", "asgi", "--loop", "uvloop"]
    words += ["--workers", str(launch.workers), "--runtime-threads", "1", "--runtime-mode", "st", "--backlog", BACKLOG]
    words += ["--http", "2" if launch.workload.is_http2 else "1"]
    words += ["--backpressure", CONNECTIONS, "--no-access-log", "--log-level", "warning"]
    words += ["--host", "127.0.0.1", "--port", str(launch.port)]
    words += ["--ws"] if launch.workload.is_websocket else ["--no-ws"]
    if launch.workload.is_tls:
        words += ["--ssl-certificate", str(launch.certificate), "--ssl-keyfile", str(launch.key)]
    return words


_EXPERIMENTAL = ["--task-impl", "rust", "--http1-pipeline-flush"]


def _uvicorn(parser: str) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        words = [sys.executable, "-m", "uvicorn", launch.workload.app, "--loop", "uvloop", "--http", parser]
        # Of its three WebSocket implementations this is the cheapest; reading proxy headers costs it 14 % on hello.
        words += ["--ws", "websockets-sansio", "--no-proxy-headers", "--no-access-log", "--log-level", "warning"]
        words += ["--workers", str(launch.workers), "--backlog", BACKLOG, "--timeout-keep-alive", "75"]
        words += ["--host", "127.0.0.1", "--port", str(launch.port)]
        if launch.workload.is_http2:
            words += ["--http2"]
        if launch.workload.is_tls:
            words += ["--ssl-certfile", str(launch.certificate), "--ssl-keyfile", str(launch.key)]
        return words

    return command


def _hypercorn(launch: Launch) -> list[str]:
    words = [sys.executable, "-m", "hypercorn", launch.workload.app, "--worker-class", "uvloop"]
    words += ["--workers", str(launch.workers), "--backlog", BACKLOG, "--keep-alive", "75", "--log-level", "warning"]
    words += ["--bind", f"127.0.0.1:{launch.port}"]
    if launch.workload.is_tls:
        words += ["--certfile", str(launch.certificate), "--keyfile", str(launch.key)]
    return words


def _peregrine(launch: Launch) -> list[str]:
    # It takes uvloop when that is installed, writes no access log and trusts no proxy unless told to.
    words = [sys.executable, "-m", "peregrine", "--protocol", "asgi", "--workers", str(launch.workers)]
    words += ["--backlog", BACKLOG, "--max-connections", CONNECTIONS, "--keep-alive", "75000"]
    words += ["--log-level", "warning", "--host", "127.0.0.1", "--port", str(launch.port)]
    if launch.workload.is_tls:
        words += ["--tls-cert", str(launch.certificate), "--tls-key", str(launch.key)]
    return [*words, launch.workload.app]


def _h2corn(launch: Launch) -> list[str]:
    words = [sys.executable, "-m", "h2corn", launch.workload.app, "--loop", "uvloop", "--no-access-log"]
    words += ["--runtime-threads", "1"]  # 5 % cheaper than its default, two
    words += ["--workers", str(launch.workers), "--backlog", BACKLOG, "--timeout-keep-alive", "75"]
    words += ["--host", "127.0.0.1", "--port", str(launch.port)]
    if launch.workload.is_tls:
        words += ["--certfile", str(launch.certificate), "--keyfile", str(launch.key)]
    return words


def _floor(transports: str, loop: str = "uvloop") -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        words = [sys.executable, "floor.py", "--port", str(launch.port), "--transports", transports, "--loop", loop]
        if launch.workload.is_tls:
            words += ["--certificate", str(launch.certificate), "--key", str(launch.key)]
        if launch.workload.is_websocket:
            words += ["--websocket"]
        return words

    return command


def _has_floor(workload: Workload) -> bool:
    # The floor reads no request, so it cannot see one that asks for the end of the connection.
    return workload.app == "apps:app" and workload.script != "close" and not workload.is_http2


def _is_http1(workload: Workload) -> bool:
    return not workload.is_http2


def _is_no_http2_websocket(workload: Workload) -> bool:
    # For servers that do not know RFC 8441, and for one that says so and hands the application an HTTP request.
    return not (workload.is_http2 and workload.is_websocket)


def _is_fixed(workload: Workload) -> bool:
    return _has_floor(workload) and not workload.is_websocket


def gasgi_server(
    name: str, python: str, loop: str = "uvloop", extensions: str = "require", source: Path | None = None
) -> Server:
    """gasgi as installed for the interpreter ``python``, or as built in ``source``."""
    return Server(
        name,
        _gunicorn("gasgi.Worker", "--asgi-loop", loop, python=python),
        {"GASGI_EXTENSIONS": extensions},
        source=source,
    )


_ALL = [
    gasgi_server("gasgi", sys.executable),
    gasgi_server("gasgi-pure", sys.executable, extensions="off"),
    gasgi_server("gasgi-asyncio", sys.executable, loop="asyncio"),
    Server("granian", _granian, serves=_is_no_http2_websocket),
    # What granian calls experimental, and has for Python 3.10 and 3.11 only: shown, but not what gasgi is measured by.
    Server("granian-experimental", lambda launch: [*_granian(launch), *_EXPERIMENTAL], serves=_is_http1),
    Server("peregrine", _peregrine, serves=_is_no_http2_websocket, distribution="peregrine-server"),
    Server("h2corn", _h2corn, distribution="h2corn"),
    Server("uvicorn", _uvicorn("httptools"), serves=_is_http1),
    # A parser in Zig that it calls experimental, and its only one that speaks HTTP/2.
    Server("uvicorn-zttp", _uvicorn("zttp"), serves=_is_no_http2_websocket),
    # The worker's own httptools and uvloop variant is its default.
    Server("uvicorn-worker", _gunicorn("uvicorn_worker.UvicornWorker"), serves=_is_http1),
    Server("hypercorn", _hypercorn),
    Server(
        "gunicorn",
        _gunicorn("asgi", "--asgi-loop", "uvloop", "--http-parser", "fast"),
        serves=_is_no_http2_websocket,
    ),
    Server("floor", _floor("loop"), serves=_has_floor),
    Server("floor-aiofastnet", _floor("aiofastnet"), serves=_is_fixed),
    Server("floor-asyncio", _floor("loop", "asyncio"), serves=_is_fixed),
    Server("floor-asyncio-aiofastnet", _floor("aiofastnet", "asyncio"), serves=_is_fixed),
]
SERVERS = {server.name: server for server in _ALL}
QUICK = ["gasgi", "granian", "peregrine", "h2corn", "uvicorn", "gunicorn", "floor"]
DEFAULT = [name for name in SERVERS if not name.startswith("floor-asyncio")]
