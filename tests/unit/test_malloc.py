"""The allocator's thresholds: set once per worker, unless the operator did."""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig

import pytest

from gasgi.worker.malloc import keep_freed_memory

# Counts the page faults of buying and freeing 256 KiB again and again, in a process of its own.
COUNT_FAULTS = """
import resource, sys
from gasgi.worker.malloc import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory({})
for warm in range(10):
    bytes(256 * 1024)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    first, second = bytearray(256 * 1024), bytearray(256 * 1024)
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize(
    "environ",
    [{"MALLOC_TRIM_THRESHOLD_": "1"}, {"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=1"}],
)
def test_leaves_an_operators_own_choice_alone(environ):
    assert keep_freed_memory(environ) is False


def test_buffers_bought_again_cost_no_page_faults():
    if platform.libc_ver()[0] != "glibc":
        assert keep_freed_memory({}) is False
        return
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        # Buffers are mimalloc's there, which keeps what is freed by itself.
        assert count_faults("default") < 1000
        return
    assert count_faults("keep") < count_faults("default") / 4
