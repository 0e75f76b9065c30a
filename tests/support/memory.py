"""How much memory a process holds, as the kernel counts it (Linux)."""

from __future__ import annotations

import re
import time
from pathlib import Path

__all__ = ["pss_bytes", "settled_pss_bytes"]


def pss_bytes(pid: int) -> int:
    """What the process has to itself, and its share of what it shares with others."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found, "the kernel does not tell the PSS"
    return int(found[1]) * 1024


def settled_pss_bytes(pid: int, quiet_s: float = 1.0, deadline_s: float = 30.0) -> int:
    """Return the least of the values read until it has not fallen for ``quiet_s``: what was let go is gone by then."""
    give_up_at = time.monotonic() + deadline_s
    least = pss_bytes(pid)
    fallen_at = time.monotonic()
    while time.monotonic() < min(fallen_at + quiet_s, give_up_at):
        time.sleep(0.05)
        now = pss_bytes(pid)
        if now < least:
            least, fallen_at = now, time.monotonic()
    return least
