"""Put load on a port from one core and say what came back. A load with errors is an exception, never a number."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harness import h2load
from harness.processes import pin
from harness.workloads import Workload

__all__ = [
    "BUILD",
    "HERE",
    "Load",
    "LoadError",
    "check_answer",
    "compile_c",
    "needed_programs",
    "prepare",
    "put_load",
    "run_load",
    "wait_for_port",
    "wrk",
]

HERE = Path(__file__).resolve().parent.parent
BUILD = HERE / "build"
PACKAGES = {"h2load": "nghttp2-client", "nghttp": "nghttp2-client"}  # where Debian calls the package otherwise


class LoadError(RuntimeError):
    """The server or the load failed: the run is worth nothing."""


@dataclass(frozen=True)
class Load:
    """What one run gave. ``answers`` are HTTP answers or echoed messages."""

    answers: int
    duration_s: float
    p50_us: float
    p99_us: float

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.answers / self.duration_s


def prepare(needs_websocket: bool, programs: Iterable[str] = ()) -> tuple[Path, Path]:
    """Build the WebSocket loads and a certificate; say what is missing on this machine. Return certificate and key."""
    for program in ("wrk", "openssl", *programs):
        if not shutil.which(program):
            package = PACKAGES.get(program, program)
            raise LoadError(f"{program} is not installed (Debian, Ubuntu: apt install {package}; macOS: brew)")
    BUILD.mkdir(exist_ok=True)
    if needs_websocket:
        compile_c("ws_load")
        compile_c("ws_h2_load")
    certificate, key = BUILD / "certificate.pem", BUILD / "key.pem"
    if not key.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def compile_c(name: str, *options: str, folder: Path = BUILD) -> Path:
    """Compile ``name``.c into ``folder`` unless that was done since it changed; return the program."""
    folder.mkdir(exist_ok=True)
    program, source = folder / name, HERE / f"{name}.c"
    changed = max(path.stat().st_mtime for path in [source, *HERE.glob("*.h")])
    if not program.exists() or program.stat().st_mtime < changed:
        subprocess.run(["cc", "-O2", *options, "-o", program, source], check=True)
    return program


def wait_for_port(port: int, is_alive: Any, deadline_s: float = 20.0) -> None:
    """Return once somebody accepts on ``port``."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if not is_alive():
                raise LoadError("the server ended before it listened") from None
            time.sleep(0.02)
    raise LoadError(f"nobody listened within {deadline_s:.0f} s")


def needed_programs(workloads: Iterable[Workload]) -> list[str]:
    """What ``workloads`` need beside the programs that every run needs."""
    needed: dict[str, None] = {}
    for workload in workloads:
        is_h2load = workload.is_http2 and not workload.is_websocket
        needed |= dict.fromkeys(["h2load", "nghttp"] * is_h2load + ["nginx"] * workload.is_proxied)
    return list(needed)


def check_answer(workload: Workload, port: int) -> None:
    """Ask once and compare the whole answer; the WebSocket load compares every message itself."""
    if workload.is_websocket:
        return
    status, body = _ask_http2(workload, port) if workload.is_http2 else _ask(workload, port)
    if status != 200 or body != workload.answer:
        raise LoadError(f"asked for {workload.path} and got {status} and {len(body)} bytes, {body[:80]!r}")


def _ask(workload: Workload, port: int) -> tuple[int, bytes]:
    connection: http.client.HTTPConnection
    if workload.is_tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    posted = workload.payload
    fields = {"Content-Type": workload.payload_type} if posted else {}
    connection.request("POST" if posted else "GET", workload.path, body=posted or None, headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def _ask_http2(workload: Workload, port: int) -> tuple[int, bytes]:
    command = h2load.ask_command(workload, port, _write_payload(workload))
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired as exc:
        raise LoadError(f"no answer over HTTP/2 in {exc.timeout} s") from exc
    # It does not tell the status, and h2load does: what is not 2xx there is an error of the run.
    return (200, done.stdout) if not done.returncode else (0, done.stderr)


def _write_payload(workload: Workload) -> Path | None:
    """Have what is posted in a file, where every load takes it from."""
    if not workload.payload:
        return None
    BUILD.mkdir(exist_ok=True)
    path = BUILD / f"{workload.name}.payload"
    path.write_bytes(workload.payload)
    return path


def put_load(
    workload: Workload,
    port: int,
    duration_s: float,
    core: int | None,
    *,
    connections: int | None = None,
    pause_ms: int = 0,
    requests: int | None = None,
) -> Load:
    """Load ``port`` for ``duration_s`` from ``core``; raise LoadError when any answer was an error or too short.

    ``requests``: how many a load makes that goes by their number, if it is known how many fill the time.
    """
    count = connections or workload.connections
    if workload.is_websocket:
        program, each = ("ws_h2_load", [str(workload.streams)]) if workload.is_http2 else ("ws_load", [])
        command = [str(BUILD / program), str(port), str(count), *each, str(workload.message_bytes), str(duration_s)]
        found = run_load(command, core, duration_s)
    elif workload.is_http2:
        found = _run_h2load(workload, port, count, duration_s, core, requests)
    else:
        found = _run_wrk(workload, port, count, duration_s, core, pause_ms)
    if any(found["errors"].values()):
        raise LoadError(f"{workload.name}: errors in the run: {found['errors']}")
    if not found["answers"]:
        raise LoadError(f"{workload.name}: no answer at all")
    shortest = workload.message_bytes or len(workload.answer)
    # The last answers may be cut off by the end of the run, so one answer's worth per connection is forgiven.
    if found["bytes"] + shortest * count < found["answers"] * shortest:
        raise LoadError(f"{workload.name}: {found['bytes'] / found['answers']:.0f} bytes per answer are too few")
    return Load(found["answers"], found["duration_us"] / 1e6, found["p50_us"], found["p99_us"])


def _run_wrk(
    workload: Workload, port: int, connections: int, duration_s: float, core: int | None, pause_ms: int
) -> dict[str, Any]:
    script, arguments = workload.script, [workload.argument] if workload.argument else []
    if pause_ms:
        script, arguments = "paced", [str(pause_ms)]
    elif workload.payload:
        arguments = [str(_write_payload(workload)), workload.payload_type]
    url = f"{'https' if workload.is_tls else 'http'}://127.0.0.1:{port}{workload.path}"
    command = [*wrk(connections, duration_s, timeout_s=10), "--script", f"wrk/{script}.lua", url]
    return run_load([*command, "--", *arguments] if arguments else command, core, duration_s)


def _run_h2load(
    workload: Workload, port: int, connections: int, duration_s: float, core: int | None, requests: int | None
) -> dict[str, Any]:
    """Make ``requests``, or ever more, up to ten times as many at a time, until they fill half of ``duration_s``."""
    count = requests or 4 * connections * workload.streams
    while True:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "answers"
            command = h2load.load_command(workload, port, connections, count, log, _write_payload(workload))
            done = run_pinned(command, core, duration_s)
            found = h2load.read_report(done.stdout, log.read_text() if log.exists() else "", workload.is_tls)
        if found is None:
            return _complain(command, done)
        took_s = found["duration_us"] / 1e6
        if requests or any(found["errors"].values()) or not found["answers"] or took_s >= duration_s / 2:
            return found
        count = round(count * min(10.0, duration_s / took_s))


def wrk(connections: int, duration_s: float, *, timeout_s: int) -> list[str]:
    """wrk's command line, without script and address."""
    duration = f"{max(1, round(duration_s))}s"
    return ["wrk", "-t1", "--connections", str(connections), "--duration", duration, "--timeout", f"{timeout_s}s"]


def run_load(command: list[str], core: int | None, duration_s: float) -> dict[str, Any]:
    """Run a load pinned to ``core`` and return what its RESULT line says; raise LoadError without one."""
    done = run_pinned(command, core, duration_s)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: dict[str, Any] = json.loads(line[7:])
            return found
    return _complain(command, done)


def run_pinned(command: list[str], core: int | None, duration_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=duration_s * 3 + 60,
            preexec_fn=lambda: pin(core),
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise LoadError(f"{command[0]} did not end within {exc.timeout:.0f} s") from exc


def _complain(command: list[str], done: subprocess.CompletedProcess[str]) -> NoReturn:
    raise LoadError(f"{command[0]} gave no result: {(done.stderr or done.stdout).strip()[-300:]}")
