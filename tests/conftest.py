"""A test that runs nginx, wrk or the like says so with a marker: make test leaves it out, and nothing skips it."""

from __future__ import annotations

import pytest

from tests.support import programs


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail with one sentence where programs are missing; let the test run what its marker names and nothing else."""
    names = {name for marker in item.iter_markers("needs_program") for name in marker.args}
    programs.declare(names)
    missing = programs.missing_programs(sorted(names))
    if missing:
        pytest.fail(programs.what_to_install(missing), pytrace=False)


def pytest_unconfigure() -> None:
    programs.declare(None)
