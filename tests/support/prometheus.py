"""Run a real Prometheus that scrapes a server, and ask it; it ends with the block."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.support.gunicorn import DEADLINE_S, free_port, wait_until
from tests.support.programs import find_program

__all__ = ["Prometheus", "run_prometheus"]


class Prometheus:
    """A Prometheus that runs. Its HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/"""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def call(self, path: str, **parameters: str) -> Any:
        """Return what the API answers; fail with its own words when it refuses."""
        try:
            with urlopen(f"{self.url}{path}?{urlencode(parameters)}", timeout=DEADLINE_S) as answer:
                return json.load(answer)["data"]
        except HTTPError as exc:
            raise AssertionError(f"{parameters}: {exc.read().decode(errors='replace')}") from None

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of every series that ``expression`` gives now."""
        return [
            (each["metric"], float(each["value"][1])) for each in self.call("/api/v1/query", query=expression)["result"]
        ]

    def value(self, expression: str) -> float | None:
        """Return the value of the only series that there is; None while there is none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return found[0][1] if found else None

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urlopen(f"{self.url}/-/ready", timeout=DEADLINE_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextlib.contextmanager
def run_prometheus(config: str) -> Iterator[Prometheus]:
    """Yield a Prometheus that runs with ``config``, the text of its file."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        path, log_path = Path(folder) / "prometheus.yml", Path(folder) / "log"
        path.write_text(config)
        command = [find_program("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        with log_path.open("wb") as log_file:
            process = subprocess.Popen(command, cwd=folder, stdout=log_file, stderr=subprocess.STDOUT)
        try:
            prometheus = Prometheus(port)

            def is_ready() -> bool:
                assert process.poll() is None, log_path.read_text()
                return prometheus.is_ready()

            wait_until(is_ready, "Prometheus")
            yield prometheus
        finally:
            process.terminate()
            process.wait()
