"""What the parts of the scoreboard cost a request, instructions counted by callgrind; for docs/performance.md.

Needs valgrind, and gasgi compiled in place. The same build gives the same count, however busy the machine is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from harness.load import HERE

WARM_UP_REQUESTS = 200
COUNTED_REQUESTS = 1000
WORKLOADS = ("hello", "post", "stream")
VARIANTS: dict[str, list[str]] = {
    "nothing": [],
    "sharing": ["sharing"],
    "metrics": ["metrics"],
    "slow requests": ["slow"],
    "all": ["metrics", "slow"],
}


def count(workload: str, switches: list[str], requests: int) -> int:
    """Return the instructions of a run with so many requests."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE.parent)]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GASGI_EXTENSIONS": "require",
    }
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    command += ["-X", "no_debug_ranges", "inprocess.py", *switches, f"{workload}={requests}"]
    done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"the driver failed:\n{done.stderr[-3000:]}")
    return int(found[1])


def main() -> None:
    """Print a row for each workload, or those named: what a request takes, and what each part adds to it."""
    print(f"{'instructions per request':<26}" + "".join(f"{name:>15}" for name in VARIANTS))
    for workload in sys.argv[1:] or WORKLOADS:
        cells = []
        for switches in VARIANTS.values():
            few, many = (count(workload, switches, WARM_UP_REQUESTS + more) for more in (0, COUNTED_REQUESTS))
            cells.append((many - few) / COUNTED_REQUESTS)
        texts = [f"{cells[0]:15,.0f}", *(f"{cell - cells[0]:+15,.0f}" for cell in cells[1:])]
        print(f"{workload:<26}" + "".join(texts), flush=True)


if __name__ == "__main__":
    main()
