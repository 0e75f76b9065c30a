"""Time the head parser: compiled beside pure, and httptools alone for the floor. Prints microseconds per head.

    python benchmarks/micro/bench_parser.py

CPU time, best of several short rounds: on a shared machine the smallest number is the one least disturbed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from httptools import HttpRequestParser

ROUNDS = 40
CALLS = 2_000

HELLO = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
BROWSER = (
    b"GET /items/42?page=3&sort=name HTTP/1.1\r\n"
    b"Host: example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=0123456789abcdef; theme=dark\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n\r\n"
)
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
HEADS = {"hello, 1 field": HELLO, "browser, 8 fields": BROWSER, "upload, 3 fields and a body": UPLOAD}


def best(call: Callable[[bytes], object], raw: bytes) -> float:
    results = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            call(raw)
        results.append((time.process_time() - start) / CALLS)
    return min(results) * 1e6


def gasgi_call(module_name: str) -> Callable[[bytes], object]:
    module = import_module(module_name)
    parser = module.HeadParser(module.HeadLimits())
    feed, take_leftover = parser.feed, parser.take_leftover

    def call(raw: bytes) -> object:
        head = feed(raw)
        take_leftover()
        return head

    return call


def main() -> None:
    print(f"{'µs per head':30}{'httptools, C sink':>20}{'compiled':>12}{'pure':>12}")
    for name, raw in HEADS.items():
        whole = raw if raw is not UPLOAD else raw.replace(b"Content-Length: 5", b"Content-Length: 0")[:-5]
        # list.append would take one argument only; dict.__setitem__ is a C callback of two.
        sink = type("Sink", (), {"on_header": {}.__setitem__})()
        floor = best(HttpRequestParser(sink).feed_data, whole)
        compiled = best(gasgi_call("gasgi._parser"), raw)
        pure = best(gasgi_call("gasgi._parser_py"), raw)
        print(f"{name:30}{floor:20.2f}{compiled:12.2f}{pure:12.2f}")


if __name__ == "__main__":
    main()
