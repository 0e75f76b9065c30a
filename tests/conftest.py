"""A test that runs nginx, wrk or the like says so with a marker: make test leaves it out, and nothing skips it.

The same with IPv6, which containers often lack.
"""

from __future__ import annotations

import os
import socket

import hypothesis
import pytest

from tests.support import programs

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return more processes than cores for ``-n auto``: most of what takes long waits for a process or a deadline."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + min(2 * cores, 4)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail with one sentence where programs are missing; let the test run what its marker names and nothing else."""
    names = {name for marker in item.iter_markers("needs_program") for name in marker.args}
    programs.declare(names)
    missing = programs.missing_programs(sorted(names))
    if missing:
        pytest.fail(programs.what_to_install(missing), pytrace=False)
    if item.get_closest_marker("needs_ipv6") is not None and not has_ipv6():
        pytest.fail("This test needs the loopback ::1: sysctl net.ipv6.conf.lo.disable_ipv6=0", pytrace=False)


def has_ipv6() -> bool:
    """Whether a socket can listen on the loopback of IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def pytest_unconfigure() -> None:
    programs.declare(None)
