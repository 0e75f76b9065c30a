"""``gasgi top``: the workers of a running server, a line each, as they are now.

Asks the address of the metrics twice a second and tells rates from the difference. ``q`` quits; where the output is no
terminal it prints once.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from gasgi.setting import read_address

__all__ = ["Row", "main", "percentile", "rows"]

USAGE = """usage: gasgi top [ADDRESS]

Shows the workers of a running server, a line each: requests a second, requests in progress, connections, how long half
and 99 % of the requests took, and how late the event loop is. ADDRESS is its gasgi_metrics_bind [127.0.0.1:9100]."""
DEFAULT_ADDRESS = "127.0.0.1:9100"
REFRESH_S = 1.0
TIMEOUT_S = 3.0


class Row(NamedTuple):
    """One worker, or all of them together."""

    name: str
    pid: str
    requests_s: float
    errors_s: float
    in_progress: int
    connections: int
    websockets: int
    p50_s: float | None  # None: no request ended meanwhile
    p99_s: float | None
    lag_s: float


def main(arguments: list[str]) -> None:
    """Run the command; exits with a sentence when nobody answers."""
    if arguments in (["-h"], ["--help"]) or len(arguments) > 1:
        print(USAGE)
        sys.exit(0 if len(arguments) == 1 else 2)
    text = arguments[0] if arguments else DEFAULT_ADDRESS
    try:
        address = read_address(text)
    except ValueError as exc:
        sys.exit(f"gasgi top: {text}: {exc}")
    try:
        import rich  # noqa: F401
    except ImportError:
        sys.exit("gasgi top needs rich: pip install 'gasgi[metrics]'")
    try:
        _show(address, text)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        sys.exit(f"gasgi top: {text} serves no gasgi metrics ({exc}); is gasgi_metrics_bind set to this address?")
    except KeyboardInterrupt:
        pass


def rows(before: dict[str, Any], now: dict[str, Any], seconds: float) -> list[Row]:
    """Return a row for each worker and one for all, from two answers that are ``seconds`` apart."""
    earlier = {(row["worker"], row["pid"]): row for row in before["workers"]}
    bounds = now["bounds"]
    found = []
    all_buckets = [0] * (len(bounds) + 1)
    for row in now["workers"]:
        # Of a worker that has come meanwhile nothing is known from before: its rates are told the next time.
        old = earlier.get((row["worker"], row["pid"]), row)
        buckets = [max(0, after - first) for first, after in zip(old["buckets"], row["buckets"], strict=True)]
        all_buckets = [one + other for one, other in zip(all_buckets, buckets, strict=True)]
        found.append(
            Row(
                str(row["worker"]),
                str(row["pid"]),
                max(0, row["requests"] - old["requests"]) / seconds,
                max(0, row["errors"] - old["errors"]) / seconds,
                row["in_progress"],
                row["connections"],
                row["websockets"],
                percentile(bounds, buckets, 0.5),
                percentile(bounds, buckets, 0.99),
                row["lag_s"],
            )
        )
    return [
        *found,
        Row(
            "all",
            "",
            sum(row.requests_s for row in found),
            sum(row.errors_s for row in found),
            sum(row.in_progress for row in found),
            sum(row.connections for row in found),
            sum(row.websockets for row in found),
            percentile(bounds, all_buckets, 0.5),
            percentile(bounds, all_buckets, 0.99),
            max((row.lag_s for row in found), default=0.0),
        ),
    ]


def percentile(bounds: list[float], counts: list[int], share: float) -> float | None:
    """Return the duration that ``share`` of the requests did not pass, as far as the buckets tell; None without any.

    Within a bucket requests are taken to be spread evenly, as Prometheus does; above the last bound it is that bound.
    """
    total = sum(counts)
    if not total:
        return None
    wanted = share * total
    seen = 0
    for place, count in enumerate(counts[:-1]):
        if seen + count >= wanted and count:
            low = bounds[place - 1] if place else 0.0
            return low + (bounds[place] - low) * (wanted - seen) / count
        seen += count
    return bounds[-1]


def _ask(address: str | tuple[str, int]) -> dict[str, Any]:
    """Return what a worker says of all of them."""
    connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT_S)
    if isinstance(address, str):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(TIMEOUT_S)
        connection.sock.connect(address)
    else:
        connection.sock = socket.create_connection(address, TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/workers")
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        told: dict[str, Any] = json.loads(answer.read())
        if "workers" not in told:
            raise ValueError("not a gasgi")
        return told


def _show(address: str | tuple[str, int], text: str) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    before, asked_at = _ask(address), time.monotonic()
    # A dumb terminal moves no cursor: nothing can be drawn over there.
    is_live = console.is_terminal and not console.is_dumb_terminal and sys.stdin.isatty()
    if not is_live:
        time.sleep(REFRESH_S)
        now = _ask(address)
        console.print(_table(rows(before, now, time.monotonic() - asked_at), now, text, console.width, is_live))
        return
    first = _table(rows(before, before, 1.0), before, text, console.width)
    with _keys() as pressed, Live(first, console=console, screen=True, auto_refresh=False) as live:
        while not pressed(REFRESH_S):
            now, then = _ask(address), time.monotonic()
            table = _table(rows(before, now, then - asked_at), now, text, console.width)
            live.update(table, refresh=True)
            before, asked_at = now, then


def _table(found: list[Row], told: dict[str, Any], text: str, width: int, is_live: bool = True) -> Any:
    from rich.table import Table

    is_narrow = width < 80
    queues = "".join(f"queue at {address}: {waiting} of {most}\n" for address, waiting, most in told["queues"])
    table = Table(
        title=f"gasgi top {text}",
        caption=queues + "q quits" if is_live else queues.rstrip(),
        box=None,
        padding=(0, 1, 0, 0) if is_narrow else (0, 2, 0, 0),
        pad_edge=False,
    )
    columns = ["worker", "pid", "req/s", "err/s", "running", "conns", "ws", "p50", "p99", "lag"]
    hidden = {"pid", "err/s", "ws"} if is_narrow else set()
    for name in columns:
        if name not in hidden:
            table.add_column(name, justify="right", no_wrap=True)
    for row in found:
        cells = [
            row.name,
            row.pid,
            f"{row.requests_s:,.0f}",
            f"{row.errors_s:,.0f}",
            str(row.in_progress),
            str(row.connections),
            str(row.websockets),
            _duration(row.p50_s),
            _duration(row.p99_s),
            _duration(row.lag_s),
        ]
        table.add_row(
            *(cell for name, cell in zip(columns, cells, strict=True) if name not in hidden),
            style="bold" if row.name == "all" else None,
        )
    return table


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 or not seconds else f"{seconds * 1000:.1f} ms"


@contextlib.contextmanager
def _keys() -> Iterator[Any]:
    """Give a function that waits for so many seconds and tells whether ``q`` was pressed."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)

    def pressed(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([sys.stdin], [], [], left)
            if ready and sys.stdin.read(1) in ("q", "Q", ""):
                return True
        return False

    try:
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
