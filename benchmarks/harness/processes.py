"""Start a process tree on one core and read what it costs: CPU time in nanoseconds, memory in KiB.

CPU time comes from the kernel's per-process clocks: every thread counts, ended ones too, and nothing is rounded to
ticks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["CpuTime", "ProcessTree", "free_port", "pin", "prefer", "read_ticks"]

_CPUCLOCK_SCHED = 2


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def pin(core: int | None) -> None:
    """Keep this process and its future children on ``core``; None: wherever the kernel likes."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def prefer(pid: int) -> None:
    """Have the kernel prefer the session of ``pid``, if it divides by sessions and we may (Linux, as root).

    Where others compute on the same cores, a worker waits for its turn for longer than for anything measured here.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-20")
        time.sleep(0.2)  # the kernel takes one at a time


@dataclass(frozen=True)
class CpuTime:
    """What a tree had used at some time. The kernel counts user and system time in ticks only, and by samples."""

    total_ns: int
    user_ticks: int
    system_ticks: int

    def since(self, before: CpuTime) -> tuple[int, float]:
        """Nanoseconds since ``before``, and which share of them was user time."""
        user, system = self.user_ticks - before.user_ticks, self.system_ticks - before.system_ticks
        return self.total_ns - before.total_ns, user / (user + system) if user + system else 0.0


class ProcessTree:
    """One process started here and all its descendants."""

    def __init__(self, command: list[str], core: int | None, env: dict[str, str], cwd: Path, output: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: pin(core),
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        """Whether the first process still runs."""
        return self._process.poll() is None

    def pids(self) -> list[int]:
        """The process and its living descendants."""
        found, todo = [], [self._process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in _list_directory(f"/proc/{pid}/task"):
                todo += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
        return found

    def cpu_ns(self) -> int:
        """User and system time of the living tree so far."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                # Linux: the clock of another process is its inverted id, shifted (clock_getcpuclockid(3)).
                total += time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)
        return total

    def cpu_time(self) -> CpuTime:
        """The same, and in which mode it was spent."""
        ticks = [read_ticks(_read(f"/proc/{pid}/stat")) for pid in self.pids()]
        user, system = (sum(each) for each in zip(*ticks, strict=True))
        return CpuTime(self.cpu_ns(), user, system)

    def memory_kib(self) -> tuple[int, int]:
        """Proportional set size and resident set size of the tree."""
        pss = rss = 0
        for pid in self.pids():
            for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
                if line.startswith("Pss:"):
                    pss += int(line.split()[1])
                elif line.startswith("Rss:"):
                    rss += int(line.split()[1])
        return pss, rss

    def stop(self) -> None:
        """End the tree: TERM, and KILL for what is left after three seconds."""
        pids = self.pids()
        if self.is_alive():
            self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            for pid in reversed(pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()


def read_ticks(stat: str) -> tuple[int, int]:
    """User and system time out of the text of /proc/PID/stat; zeros when it is empty: the process has ended."""
    # The name of the program, in brackets, may hold anything.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]), int(fields[12])) if fields else (0, 0)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # the process ended in between


def _list_directory(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
