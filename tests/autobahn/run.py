"""Run the Autobahn cases against gunicorn with gasgi.Worker, compiled and pure; fail on any that is not OK.

    python tests/autobahn/run.py [--modes require,off] [--cases '1.*,2.*'] [--quick] [--json DIRECTORY]

Needs the dependency group ``autobahn``. INFORMATIONAL is the suite's own word for cases that
judge nothing; NON-STRICT counts as a failure here.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BOOT_S = 60.0


def start_server(mode: str, bound: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """Start gunicorn on a listening socket made here, so that no port is guessed."""
    bound.set_inheritable(True)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "GASGI_EXTENSIONS": mode, "PYTHONPATH": path}
    command = [sys.executable, "-m", "gunicorn", "tests.autobahn.echo:app", "--worker-class", "gasgi.Worker"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, "--log-level", "warning", "--bind", f"fd://{bound.fileno()}"],
            cwd=HERE,
            env=environment,
            pass_fds=[bound.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def wait_until_up(server: subprocess.Popen[bytes], port: int) -> None:
    """Return when the server answers a request."""
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if connection.recv(100).startswith(b"HTTP/1.1 404"):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server did not come up")


def run(mode: str, arguments: list[str], results: Path) -> bool:
    """Run the suite once; return whether every case is as it should be."""
    log = results / f"server-{mode}.log"
    report = results / f"autobahn-{mode}.json"
    report.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        server = start_server(mode, bound, log)
        try:
            wait_until_up(server, port)
            url = f"ws://127.0.0.1:{port}/echo"
            print(f"GASGI_EXTENSIONS={mode}:", flush=True)
            command = [sys.executable, "-W", "ignore", str(HERE / "autobahn_suite.py"), url, "--json", str(report)]
            subprocess.run([*command, *arguments], check=False)
        finally:
            server.terminate()
            server.wait()
    said = log.read_text(errors="replace")
    if said:
        print(said)
    if not report.exists():
        return False
    counts = json.loads(report.read_text())["counts"]
    return set(counts) <= {"OK", "INFORMATIONAL"} and "Traceback" not in said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default="require,off")
    parser.add_argument("--json", metavar="DIRECTORY", help="keep the reports there")
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(options.json or scratch)
        results.mkdir(parents=True, exist_ok=True)
        good = [run(mode, arguments, results) for mode in options.modes.split(",")]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
