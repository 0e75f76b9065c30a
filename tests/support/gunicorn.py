"""Start a real gunicorn for a test, wait for what it logs and end it by its id. Every wait has a deadline."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

__all__ = ["DEADLINE_S", "Gunicorn", "edit_until", "free_port", "start_gunicorn", "wait_until"]

# Long, because the machines of tests are busy: only a test that fails waits for so long.
DEADLINE_S = 40.0
ROOT = Path(__file__).resolve().parents[2]
ANNOUNCED = r"\[INFO\] gasgi \d"

T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Return the first true thing that ``look`` returns."""
    give_up_at = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < give_up_at, f"waited {deadline_s} s for {what}"
        time.sleep(0.02)


def write_in_place(source: Path, text: str, moment: float) -> None:
    """Save as most editors do; ``moment`` is the time that the file bears."""
    source.write_text(text)
    os.utime(source, (moment, moment))


def edit_until(
    look: Callable[[], object],
    source: Path,
    text: str,
    save: Callable[[Path, str, float], None] = write_in_place,
) -> None:
    """Write ``text`` to ``source``, for a server with ``--reload``, until ``look`` shows that it was noticed.

    Once is not enough: gunicorn's reloader cannot notice an edit made before it first looked at the file, and it first
    looks at some time after the worker has announced that it serves.
    """
    moment = source.stat().st_mtime if source.exists() else time.time()
    for _ in range(9):
        # The reloader compares modification times; two edits must not look like one.
        moment += 10
        save(source, text, moment)
        with contextlib.suppress(AssertionError):
            wait_until(look, "the edit to be seen", deadline_s=5)
            return
    raise AssertionError(f"nine edits of {source} and no reload")


def free_port() -> int:
    """Return a port of the loopback that is free; for what cannot bind to port 0.

    Below those that systems give out for port 0 (49152 and up by RFC 6335, 32768 and up with Linux), or a test beside
    this one could be given it before it is used.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Gunicorn:
    """A gunicorn that runs, or has run."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self._process = process
        self.directory = log_path.parent
        self._log_path = log_path
        self.pid = process.pid

    # What it says

    @property
    def log(self) -> str:
        """All it has written to its log and to stderr so far."""
        return self._log_path.read_text(errors="replace")

    def wait_for(self, pattern: str, count: int = 1, deadline_s: float = DEADLINE_S) -> list[str]:
        """Wait until ``pattern`` (one group, or none) is found ``count`` times in the log; return what was found."""

        def look() -> list[str] | None:
            found = re.findall(pattern, self.log)
            if len(found) >= count:
                return found
            assert self._process.poll() is None or len(re.findall(pattern, self.log)) >= count, (
                f"gunicorn has exited with {self._process.returncode}, without {pattern!r}:\n{self.log}"
            )
            return None

        try:
            return wait_until(look, repr(pattern), deadline_s)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.log}") from None

    def wait_for_workers(self, count: int = 1) -> None:
        """Wait until ``count`` workers have announced, since the start, that they serve."""
        self.wait_for(ANNOUNCED, count)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens at."""
        host, port = re.findall(r"Listening at: https?://\[?([^\s,\]]+)\]?:(\d+)", self.log)[0]
        return host, int(port)

    def workers(self) -> list[int]:
        """Ids of the worker processes that are there."""
        booted = re.findall(r"Booting worker with pid: (\d+)", self.log)
        return [int(pid) for pid in booted if Path(f"/proc/{pid}").exists() and not _is_zombie(int(pid))]

    # What is done to it

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end; return the exit code."""
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"gunicorn has not ended within {deadline_s} s:\n{self.log}") from None

    def reload_by_edit(self, source: Path, text: str) -> None:
        """Write ``text`` to ``source`` and wait, with ``--reload``, until a new worker has announced that it serves."""
        before = len(re.findall(ANNOUNCED, self.log))
        edit_until(lambda: len(re.findall(ANNOUNCED, self.log)) > before, source, text)

    def stop(self) -> str:
        """Ask it to end, make sure that it ended well and return its log."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"exit code {code}:\n{self.log}"
        return self.log

    def kill(self) -> None:
        """End it and its workers at once, by the id of their process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@contextlib.contextmanager
def start_gunicorn(
    directory: Path,
    app: str,
    *options: str,
    module: str = "gunicorn",
    bind: str | None = "127.0.0.1:0",
    loop: str = "auto",
    config: str = "",
    environ: dict[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
    wrapper: tuple[str, ...] = (),
) -> Iterator[Gunicorn]:
    """Run gunicorn with gasgi's worker in a process group of its own; kill what is left of it at the end.

    ``config`` is the text of gunicorn.conf.py; ``wrapper`` is a command that runs the command that follows it;
    ``module`` "gasgi" starts it as ``python -m gasgi``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "gunicorn.conf.py").write_text(config)
    log_path = directory / "gunicorn.log"
    command = [*wrapper, sys.executable, "-m", module, app, "--worker-class", "gasgi.Worker", "--asgi-loop", loop]
    command += ["--config", str(directory / "gunicorn.conf.py"), "--worker-tmp-dir", str(directory)]
    if bind is not None:
        command += ["--bind", bind]
    # A control socket of a default path would be shared with every other gunicorn of this user.
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(directory), str(ROOT))), "PYTHONUNBUFFERED": "1"}
    variables.update(HOME=str(directory), XDG_RUNTIME_DIR=str(directory), **(environ or {}))
    with log_path.open("ab") as log_file:
        process = subprocess.Popen(
            [*command, *options],
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    server = Gunicorn(process, log_path)
    try:
        yield server
    finally:
        server.kill()
