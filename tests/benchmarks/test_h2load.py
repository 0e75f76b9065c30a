"""benchmarks/harness/h2load.py: what a report of h2load says, and what it is asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from harness import h2load, load
from harness.workloads import WORKLOADS

# h2load 1.52, shortened.
REPORT = """starting benchmark...
Warm-up phase is over for thread #0.
Application protocol: h2c
Stopped all clients for thread #0

finished in 1.02s, 8181.00 req/s, 512.01KB/s
requests: 8190 total, 8281 started, 8190 done, 8181 succeeded, {failed} failed, {errored} errored, {timeout} timeout
status codes: 8181 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 512.01KB (524294) total, 263.92KB (270253) headers (space savings 64.09%), 103.86KB (106353) data
                     min         max         mean         sd        +/- sd
time for request:      380us     85.01ms     11.93ms     10.64ms    82.15%
"""
LOG = "".join(f"1795817157666826\t200\t{100 - i}\n" for i in range(100))


def report(failed: int = 0, errored: int = 0, timeout: int = 0) -> str:
    return REPORT.format(failed=failed, errored=errored, timeout=timeout)


def test_figures_of_a_run_are_those_the_other_loads_give() -> None:
    assert h2load.read_report(report(), LOG, is_tls=False) == {
        "answers": 8181,
        "bytes": 106353,
        "duration_us": 1e6,
        "p50_us": 51.0,
        "p99_us": 100.0,
        "errors": {"failed": 0, "errored": 0, "timeout": 0, "protocol": 0},
    }


def test_requests_that_got_no_good_answer_are_errors() -> None:
    found = h2load.read_report(report(failed=9, errored=5, timeout=1), LOG, is_tls=False)

    assert found is not None
    assert found["errors"] == {"failed": 9, "errored": 5, "timeout": 1, "protocol": 0}


def test_a_server_that_falls_back_to_http_1_is_an_error() -> None:
    text = report().replace("protocol: h2c", "protocol: http/1.1")

    assert (h2load.read_report(text, LOG, is_tls=True) or {})["errors"]["protocol"] == 1


def test_a_run_without_an_answer_has_none() -> None:
    text = report().replace("8181 succeeded", "0 succeeded").replace("8181.00 req/s", "0.00 req/s")

    found = h2load.read_report(text, "", is_tls=False)

    assert found is not None
    assert (found["answers"], found["p99_us"]) == (0, 0.0)


def test_without_a_report_there_are_no_figures() -> None:
    assert h2load.read_report("starting benchmark...\n", "", is_tls=False) is None


def test_a_post_goes_out_with_its_file_and_its_type() -> None:
    command = h2load.load_command(WORKLOADS["h2s-post-1kib"], 8000, 10, 5000, Path("log"), Path("body"))

    assert command == [
        *("h2load", "--threads=1", "--clients=10", "--max-concurrent-streams=10", "--requests=5000"),
        *("--connection-inactivity-timeout=10", "--log-file=log"),
        *("--data=body", "--header", "content-type: application/octet-stream"),
        "https://127.0.0.1:8000/echo",
    ]


def test_no_connection_is_without_its_share_of_requests() -> None:
    assert "--requests=100" in h2load.load_command(WORKLOADS["h2-10x10"], 8000, 10, 7, Path("log"), None)


@pytest.mark.parametrize(
    ("rates", "known", "made"),
    [
        ([100_000, 100_000, 50_000], None, [400, 4_000, 40_000]),
        ([100_000, 5_000], None, [400, 4_000]),
        ([300], None, [400]),
        ([100_000], 700, [700]),
    ],
    ids=["fast", "slower than it seemed", "slow", "known"],
)
def test_a_load_without_a_number_grows_until_it_fills_the_time(
    rates: list[int], known: int | None, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []

    def run(command: list[str], core: int | None, duration_s: float) -> subprocess.CompletedProcess[str]:
        (word,) = (word for word in command if word.startswith("--requests="))
        counts.append(int(word.partition("=")[2]))
        text = REPORT.format(failed=0, errored=0, timeout=0).replace("8181 succeeded", f"{counts[-1]} succeeded")
        text = text.replace("8181.00 req/s", f"{rates[len(counts) - 1]}.00 req/s").replace("(106353)", "(99999999)")
        return subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(load, "run_pinned", run)

    found = load.put_load(WORKLOADS["h2-10x10"], 8000, 1.0, None, requests=known)

    assert counts == made
    assert found.answers == made[-1]


def test_a_load_that_does_not_end_is_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], *, timeout: float, **keys: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)

    with pytest.raises(load.LoadError, match="did not end within 63 s"):
        load.put_load(WORKLOADS["hello"], 8000, 1.0, None)
