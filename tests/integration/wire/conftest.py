"""``wire`` is an endpoint of a gunicorn that serves wire/app.py: on both loops, over TCP, TLS and a unix socket.

``impatient`` is the same with deadlines of a second. They start when they are first asked for and live for the session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.endpoint import Endpoint
from tests.support.gunicorn import Gunicorn, start_gunicorn

APP = "tests.integration.wire.app:app"
PLACES = [
    pytest.param((loop, kind), id=f"{kind}-{loop}") for loop in ("uvloop", "asyncio") for kind in ("tcp", "unix", "tls")
]
PATIENT = dict.fromkeys(("FIRST_BYTE", "HEADER", "BODY", "WRITE"), "60")
MEANT = ("ValueError: meant", "gasgi.errors.ASGIMisuse: ")
IMPATIENT = {"FIRST_BYTE": "2", "HEADER": "1", "BODY": "1", "WRITE": "1"}

Serve = Callable[[str, str, dict[str, str]], tuple[Gunicorn, Endpoint]]


@pytest.fixture(scope="session")
def serve_wire(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Serve]:
    with ExitStack() as stack:
        running: dict[tuple[str, bool, str], Gunicorn] = {}

        def serve(loop: str, kind: str, timeouts: dict[str, str]) -> tuple[Gunicorn, Endpoint]:
            is_tls = kind == "tls"
            key = (loop, is_tls, timeouts["BODY"])
            if key not in running:
                directory = tmp_path_factory.mktemp("wire")
                options = ["--access-logfile", "-", "--access-logformat", "answered %(s)s %(r)s"]
                options += ["--bind", f"unix:{directory}/socket", "--keep-alive", timeouts["BODY"]]
                if is_tls:
                    options += ["--certfile", certificates.cert, "--keyfile", certificates.key]
                environ = {f"GASGI_{name}_TIMEOUT_S": seconds for name, seconds in timeouts.items()}
                config = "asgi_disconnect_grace_period = 1\n"
                running[key] = stack.enter_context(
                    start_gunicorn(directory, APP, *options, loop=loop, config=config, environ=environ)
                )
                running[key].wait_for_workers()
            gunicorn = running[key]
            address: Any = f"{gunicorn.directory}/socket" if kind == "unix" else gunicorn.address
            return gunicorn, Endpoint(address, certificates.client_context() if is_tls else None)

        yield serve
        for gunicorn in running.values():
            log = gunicorn.stop()
            # What apps did on purpose, and nothing else.
            raised = re.findall(r"^[\w.]+(?:Error|Exception|Misuse)\b.*", log, re.MULTILINE)
            assert not [line for line in raised if not line.startswith(MEANT)], log


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    loop, kind = request.param
    return loop, kind


@pytest.fixture
def served(place: tuple[str, str], serve_wire: Serve) -> tuple[Gunicorn, Endpoint]:
    return serve_wire(*place, PATIENT)


@pytest.fixture
def wire(served: tuple[Gunicorn, Endpoint]) -> Endpoint:
    return served[1]


@pytest.fixture
def log(served: tuple[Gunicorn, Endpoint]) -> Gunicorn:
    """The server of ``wire``, for what it logs."""
    return served[0]


@pytest.fixture
def impatient(place: tuple[str, str], serve_wire: Serve) -> Endpoint:
    return serve_wire(*place, IMPATIENT)[1]
