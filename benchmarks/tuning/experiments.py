"""What the tuning guide tries: pairs of settings on examples/slow, each with one difference. No measuring here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.front import KEPT

__all__ = ["EXPERIMENTS", "Experiment", "Variant"]


@dataclass(frozen=True)
class Variant:
    """One way to run the example. ``options`` go to gunicorn, ``env`` into its environment."""

    name: str
    options: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    path: str = "/"
    beside: str = ""  # a second load, one request at a time, on this path
    is_tls: bool = False
    nginx: str = ""  # lines of an nginx location in front; empty: no nginx


@dataclass(frozen=True)
class Experiment:
    """Variants that one load is put on. ``figures``: which of the figures the picture shows."""

    name: str
    title: str
    variants: tuple[Variant, ...]
    figures: tuple[str, ...]
    connections: int = 32
    is_burst: bool = False  # so many new connections at once, one request on each, instead of wrk
    is_pinned: bool = True  # the workers to one core, the load to another


def _collector(name: str, freeze: str, threshold: str) -> Variant:
    env = {"HEAP": "500000", "GASGI_GC_FREEZE": freeze, "GASGI_GC_THRESHOLD": threshold}
    return Variant(name, env=env, path="/remember")


UNKEPT = "proxy_http_version 1.0; proxy_set_header Connection close;"

FOUR = ("--workers", "4")
ALONE = ("--config", str(Path(__file__).with_name("alone.py")))

EXPERIMENTS = (
    Experiment(
        "blocking",
        "Twenty milliseconds of waiting, in three ways",
        (
            Variant("async def, time.sleep", path="/blocking"),
            Variant("def (thread pool)", path="/thread"),
            Variant("async def, await", path="/waiting"),
        ),
        ("per_second", "p99_ms"),
    ),
    Experiment(
        "neighbour",
        "What an endpoint that does nothing pays for the one beside it",
        (
            Variant("alone"),
            Variant("beside time.sleep", beside="/blocking"),
            Variant("beside a thread", beside="/thread"),
            Variant("beside await", beside="/waiting"),
        ),
        ("p50_ms", "p99_ms"),
    ),
    Experiment(
        "workers",
        "An endpoint that keeps its worker for 5 ms, by number of workers",
        (
            Variant("1 worker", path="/blocking?ms=5"),
            Variant("2 workers", ("--workers", "2"), path="/blocking?ms=5"),
            Variant("4 workers", ("--workers", "4"), path="/blocking?ms=5"),
        ),
        ("per_second", "p99_ms"),
        is_pinned=False,
    ),
    Experiment(
        "sitting",
        "16 clients that stay, at four workers that each request keeps for 5 ms",
        (
            Variant("each takes what comes", (*FOUR, *ALONE), path="/blocking?ms=5"),
            Variant("workers share (always)", FOUR, path="/blocking?ms=5"),
        ),
        ("per_second", "p99_ms"),
        16,
        is_pinned=False,
    ),
    Experiment(
        "database",
        "Queries of 20 ms, 64 clients, by size of the pool",
        (
            Variant("pool of 2", env={"POOL": "2"}, path="/query"),
            Variant("pool of 10", env={"POOL": "10"}, path="/query"),
            Variant("pool of 64", env={"POOL": "64"}, path="/query"),
        ),
        ("per_second", "p99_ms"),
        64,
    ),
    Experiment(
        "threads",
        "Endpoints without async, 20 ms each, 64 clients, by size of the thread pool",
        (
            Variant("5 threads", env={"THREADS": "5"}, path="/thread"),
            Variant("40 threads (default)", env={"THREADS": "40"}, path="/thread"),
            Variant("100 threads", env={"THREADS": "100"}, path="/thread"),
        ),
        ("per_second", "p99_ms"),
        64,
    ),
    Experiment(
        "connections",
        "64 clients that stay, at a worker that holds 8 or 1,000 connections",
        (
            Variant("--worker-connections 8", ("--worker-connections", "8")),
            Variant("--worker-connections 1000", ("--worker-connections", "1000")),
        ),
        ("served", "p50_ms"),
        64,
        is_burst=True,
    ),
    Experiment(
        "backlog",
        "256 new connections at once, by length of the queue before accept",
        (
            Variant("--backlog 16", ("--backlog", "16"), path="/blocking?ms=1"),
            Variant("--backlog 2048", ("--backlog", "2048"), path="/blocking?ms=1"),
        ),
        ("p50_ms", "max_ms"),
        256,
        is_burst=True,
    ),
    Experiment(
        "keepalive",
        "A connection for each request, or one that is kept",
        (Variant("--keep-alive 0", ("--keep-alive", "0")), Variant("--keep-alive 75", ("--keep-alive", "75"))),
        ("cpu_us", "p99_ms"),
    ),
    Experiment(
        "tls",
        "TLS with kept connections, and with a handshake for each request",
        (
            Variant("plain"),
            Variant("TLS, kept", is_tls=True),
            Variant("TLS, --keep-alive 0", ("--keep-alive", "0"), is_tls=True),
        ),
        ("cpu_us", "p99_ms"),
    ),
    Experiment(
        "proxy",
        "nginx in front: a connection to the worker for each request, or kept ones",
        (Variant("not kept", nginx=UNKEPT), Variant("kept", nginx=KEPT)),
        ("cpu_us", "p99_ms"),
    ),
    Experiment(
        "log",
        "Lines in the log: CPU time per answer",
        (
            Variant("no log"),
            Variant("access log to a file", ("--access-logfile", "LOG")),
            Variant("5 lines of the app's own", path="/log"),
            Variant("those switched off", ("--log-level", "warning"), path="/log"),
        ),
        ("cpu_us",),
    ),
    Experiment(
        "loop",
        "Event loops: CPU time per answer",
        (
            Variant("asyncio", ("--asgi-loop", "asyncio")),
            Variant("uvloop", ("--asgi-loop", "uvloop")),
        ),
        ("cpu_us", "p99_ms"),
    ),
    Experiment(
        "collector",
        "An app that fills a cache, with a million objects that live as long as the worker",
        (
            _collector("as Python has it", freeze="off", threshold="0"),
            _collector("gasgi_gc_freeze", freeze="on", threshold="0"),
            _collector("gasgi_gc_threshold", freeze="off", threshold="5000"),
            _collector("both (default)", freeze="on", threshold="5000"),
        ),
        ("cpu_us", "max_ms"),
    ),
    Experiment(
        "watch",
        "What the watch of the loop costs",
        (
            Variant("off"),
            Variant("gasgi_slow_loop_ms = 100", env={"GASGI_SLOW_LOOP_MS": "100"}),
            Variant("gasgi_slow_loop_ms = 10", env={"GASGI_SLOW_LOOP_MS": "10"}),
        ),
        ("cpu_us", "p99_ms"),
    ),
)
