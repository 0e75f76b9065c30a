"""The numbers of all workers for Prometheus, read from the scoreboard by whichever worker is asked.

Speaks to prometheus-client, which is imported when the first collector is made: it is an extra of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gasgi import __version__
from gasgi.errors import SettingError
from gasgi.reporting.scoreboard import Scoreboard, Slot
from gasgi.reporting.slot_layout import (
    ACCEPTED,
    BUCKETS,
    BYTES_IN,
    BYTES_OUT,
    CONNECTIONS,
    DURATION_US,
    LAG_US,
    MICROSECONDS,
    REFUSED,
    REFUSED_STATUSES,
    RUNNING,
    STARTS,
    STATUSES,
    WEBSOCKETS,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["Collector", "check_metrics", "worker_rows"]

PREFIX = "gasgi_"
STATUS_NAMES = ("client_left", "1xx", "2xx", "3xx", "4xx", "5xx")

Queues = Callable[[], list[tuple[str, int, int]]]  # address, how many wait to be accepted, and how many may


def check_metrics(address: str) -> None:
    """Raise SettingError when metrics are asked for and cannot be had."""
    if address and find_spec("prometheus_client") is None:
        raise SettingError("gasgi_metrics_bind needs prometheus-client: pip install 'gasgi[metrics]'")


def worker_rows(board: Scoreboard, bounds: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the numbers of each worker that is alive, for ``gasgi top``."""
    return [
        {
            "worker": slot.index,
            "pid": slot.pid,
            "requests": sum(_many(slot, STATUSES, len(STATUS_NAMES))),
            "errors": _one(slot, STATUSES + 5),
            "in_progress": _one(slot, RUNNING),
            "connections": _one(slot, CONNECTIONS),
            "websockets": _one(slot, WEBSOCKETS),
            "lag_s": _one(slot, LAG_US) / MICROSECONDS,
            "buckets": _many(slot, BUCKETS, len(bounds) + 1),
        }
        for slot in board.slots()
        if slot.is_alive()
    ]


class Collector:
    """What prometheus-client asks for the metrics; ``bounds`` are the upper ends of the buckets, seconds."""

    def __init__(self, board: Scoreboard, bounds: tuple[float, ...], queues: Queues) -> None:
        self._board = board
        self._bounds = bounds
        self._queues = queues

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its samples."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        slots = list(self._board.slots())
        alive = [slot for slot in slots if slot.is_alive()]

        def count(name: str, text: str, place: int) -> Metric:
            return CounterMetricFamily(name, text, value=sum(_one(slot, place) for slot in slots))

        def gauge(name: str, text: str, place: int, unit: float = 1.0) -> Metric:
            family = GaugeMetricFamily(name, text, labels=["worker"])
            for slot in alive:
                family.add_metric([str(slot.index)], _one(slot, place) / unit)
            return family

        requests = CounterMetricFamily(PREFIX + "requests", "Requests that have ended.", labels=["status"])
        for place, name in enumerate(STATUS_NAMES):
            requests.add_metric([name], sum(_one(slot, STATUSES + place) for slot in slots))
        yield requests
        yield self._durations(slots, HistogramMetricFamily)
        refusals = CounterMetricFamily(PREFIX + "refusals", "Requests that the server rejected.", labels=["status"])
        for place, name in enumerate([*map(str, REFUSED_STATUSES), "other"]):
            refusals.add_metric([name], sum(_one(slot, REFUSED + place) for slot in slots))
        yield refusals
        yield count(PREFIX + "received_bytes", "Bytes of requests, without WebSockets over HTTP/1.1.", BYTES_IN)
        yield count(PREFIX + "response_body_bytes", "Bytes of the bodies of responses.", BYTES_OUT)
        yield count(PREFIX + "worker_starts", "Worker processes that have started.", STARTS)
        accepted = CounterMetricFamily(PREFIX + "connections_accepted", "Connections accepted.", labels=["worker"])
        for slot in slots:
            accepted.add_metric([str(slot.index)], _one(slot, ACCEPTED))
        yield accepted
        yield GaugeMetricFamily(PREFIX + "workers", "Worker processes that are running.", value=len(alive))
        yield gauge(PREFIX + "connections", "Open connections.", CONNECTIONS)
        yield gauge(PREFIX + "requests_in_progress", "Requests in progress.", RUNNING)
        yield gauge(PREFIX + "websockets", "WebSockets whose application is running.", WEBSOCKETS)
        yield gauge(
            PREFIX + "event_loop_lag_seconds",
            "Longest delay of the event loop in the last second.",
            LAG_US,
            MICROSECONDS,
        )
        yield from self._accept_queues(GaugeMetricFamily)
        yield InfoMetricFamily(PREFIX + "build", "The server.", value={"version": __version__})

    def _durations(self, slots: list[Slot], family: Any) -> Metric:
        buckets = []
        count = 0
        for place, bound in enumerate([*map(_bound_text, self._bounds), "+Inf"]):
            count += sum(_one(slot, BUCKETS + place) for slot in slots)
            buckets.append((bound, count))
        metric: Metric = family(
            PREFIX + "request_duration_seconds",
            "Time from the start of a request to the end of its response.",
            buckets=buckets,
            sum_value=sum(_one(slot, DURATION_US) for slot in slots) / MICROSECONDS,
        )
        return metric

    def _accept_queues(self, family: Any) -> Iterator[Metric]:
        waiting = family(PREFIX + "accept_queue", "Connections waiting to be accepted.", labels=["address"])
        limit = family(PREFIX + "accept_queue_limit", "Connections that may wait to be accepted.", labels=["address"])
        for address, length, most in self._queues():
            waiting.add_metric([address], length)
            limit.add_metric([address], most)
        yield waiting
        yield limit


def _bound_text(bound: float) -> str:
    return repr(float(bound))


def _one(slot: Slot, place: int) -> int:
    return int(slot.numbers[slot.at + place])


def _many(slot: Slot, place: int, count: int) -> list[int]:
    return [_one(slot, place + more) for more in range(count)]
