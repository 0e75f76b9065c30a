"""Time one access log record: gasgi's ways beside gunicorn's own ``Logger.access``. Prints microseconds per record.

    python benchmarks/micro/bench_access_log.py
    GASGI_EXTENSIONS=off python benchmarks/micro/bench_access_log.py

"discarded" writes to a stream that throws the line away: what is left is the work of making it and bringing it there.
"file" is a real file, one write system call per line. Processor time, best of several short rounds.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

from gunicorn.config import Config
from gunicorn.glogging import Logger

from gasgi.compiled import IS_COMPILED
from gasgi.reporting.access_format import AccessFormat
from gasgi.reporting.access_log import AccessLog
from gasgi.reporting.gunicorn_view import RequestView, ResponseView
from gasgi.reporting.observer import make_observer

ROUNDS = 150
CALLS = 500
HEAD = SimpleNamespace(
    method="GET",
    target=b"/items/42?page=3&sort=name",
    raw_path=b"/items/42",
    path="/items/42",
    query_string=b"page=3&sort=name",
    http_version="1.1",
    keep_alive=True,
    headers=[
        (b"host", b"example.com"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"accept-language", b"en-US,en;q=0.5"),
        (b"accept-encoding", b"gzip, deflate, br, zstd"),
        (b"connection", b"keep-alive"),
        (b"cookie", b"session=0123456789abcdef; theme=dark"),
        (b"upgrade-insecure-requests", b"1"),
    ],
)
FIELDS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
CLIENT = ("192.0.2.1", 50000)
SERVER = ("192.0.2.2", 8000)


class Nowhere:
    """A stream that discards."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def best(call: Callable[[], object]) -> float:
    results = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            call()
        results.append((time.process_time() - start) / CALLS)
    return min(results) * 1e6


def logger_to(handler: logging.Handler, formatter: logging.Formatter) -> Logger:
    cfg = Config()
    cfg.set("accesslog", "-")
    logger = Logger(cfg)
    handler.setFormatter(formatter)
    logger.access_log.handlers[:] = [handler]
    return logger


def gunicorns(logger: Logger) -> Callable[[], object]:
    def call() -> None:
        # What its asgi worker builds for a record, and Logger.access.
        request = RequestView(HEAD, CLIENT, SERVER, "http")
        response = ResponseView(200, FIELDS, 13, 0.000125)
        logger.access(response, request, request.environ, timedelta(seconds=0.000125))

    return call


def gasgis(logger: Logger) -> Callable[[], object]:
    log = AccessLog(logger, logger.cfg.access_log_format)

    def call() -> None:
        log.write(RequestView(HEAD, CLIENT, SERVER, "http"), ResponseView(200, FIELDS, 13, 0.000125))

    return call


def observed(logger: Logger) -> Callable[[], object]:
    observer = make_observer(None, logger.cfg, logger)

    def call() -> None:
        observer.end(observer.begin(HEAD, CLIENT, SERVER, "http"), 200, FIELDS, 13, 0.000125)

    return call


def main() -> None:
    print("compiled" if IS_COMPILED else "pure")
    plain, dated = logging.Formatter("%(message)s"), logging.Formatter("[%(process)d] %(message)s")
    line = AccessFormat(Config().access_log_format)
    line.time_text = "[22/Nov/2026:12:00:00 +0000]"
    request, response = RequestView(HEAD, CLIENT, SERVER, "http"), ResponseView(200, FIELDS, 13, 0.000125)
    print(f"{'the line alone':34}{best(lambda: line.render(request, response)):8.2f}")
    nowhere = logging.StreamHandler(Nowhere())
    for name, call in (("direct", gasgis), ("observer, direct", observed)):
        print(f"{'discarded, ' + name:34}{best(call(logger_to(nowhere, plain))):8.2f}")
    print(f"{'discarded, record':34}{best(gasgis(logger_to(nowhere, dated))):8.2f}")
    print(f"{'discarded, gunicorn':34}{best(gunicorns(logger_to(nowhere, plain))):8.2f}")
    with tempfile.NamedTemporaryFile() as file:
        handler = logging.FileHandler(file.name)
        print(f"{'file, direct':34}{best(gasgis(logger_to(handler, plain))):8.2f}")
        print(f"{'file, gunicorn':34}{best(gunicorns(logger_to(handler, plain))):8.2f}")
        handler.close()


if __name__ == "__main__":
    main()
