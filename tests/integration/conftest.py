from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.gunicorn import Gunicorn, start_gunicorn

Start = Callable[..., Gunicorn]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start gunicorn with an app of tests/integration/apps.py; ``workers`` (1) are waited for unless it is 0."""
    with ExitStack() as stack:
        count = 0

        def run(app: str = "tests.integration.apps:app", *options: str, workers: int = 1, **more: Any) -> Gunicorn:
            nonlocal count
            count += 1
            directory = tmp_path / f"gunicorn{count}"
            environ = {"JOURNAL": str(tmp_path / "journal"), **more.pop("environ", {})}
            if workers > 1:
                options += ("--workers", str(workers))
            server = stack.enter_context(start_gunicorn(directory, app, *options, environ=environ, **more))
            if workers:
                server.wait_for_workers(workers)
            return server

        yield run


@pytest.fixture
def journal(tmp_path: Path) -> Callable[[], list[str]]:
    """Read what the app wrote into its journal: a line for each thing."""

    def read() -> list[str]:
        path = tmp_path / "journal"
        return path.read_text().splitlines() if path.exists() else []

    return read


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
