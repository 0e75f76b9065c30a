"""``--reload`` with both of gunicorn's engines: edits are noticed, also by an application that does not load."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gunicorn import Gunicorn, edit_until, wait_until, write_in_place

GOOD = "from tests.integration.apps import app\n"


@pytest.fixture(params=["poll", "inotify"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a place for sources alone: inotify takes whatever is written beside them, a log too, for an edit."""
    path = tmp_path / "sources"
    path.mkdir()
    return path


@pytest.fixture
def reload(start: Callable[..., Gunicorn], folder: Path, engine: str) -> Callable[..., Gunicorn]:
    def run(app: str, **more: object) -> Gunicorn:
        options = ("--reload", "--reload-engine", engine, "--pythonpath", str(folder), "--graceful-timeout", "500")
        environ = {"PYTHONDONTWRITEBYTECODE": "1"}
        return start(app, *options, environ=environ, **more)

    return run


def get(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address) as client:
        client.settimeout(60)
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := client.recv(65536):
            data += piece
        return data


def is_good(server: Gunicorn) -> Callable[[], bool]:
    return lambda: b"200 OK" in get(server.address)


def is_bad(server: Gunicorn) -> Callable[[], bool]:
    return lambda: b"500 Internal" in get(server.address)


def rename_over(source: Path, text: str, moment: float) -> None:
    """Save as editors do that never leave half a file."""
    new = source.with_name(source.name + ".new")
    write_in_place(new, text, moment)
    new.rename(source)


def move_away_first(source: Path, text: str, moment: float) -> None:
    """Save as editors do that keep the old file, here with a long time between."""
    if source.exists():
        source.rename(source.with_name(source.name + "~"))
    until = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > until, "a worker that meets no file")
    write_in_place(source, text, moment)


@pytest.mark.parametrize(
    ("mistake", "shown"),
    [
        ("def broken(:\n", b"SyntaxError"),
        ("undefined\n", b"NameError"),
        ("import no_such_module\n", b"ModuleNotFoundError"),
        ("application = 1\n", b"Failed to find attribute"),
        ("import sys\nsys.exit('no database')\n", b"SystemExit: no database"),
        ("def app(environ, start_response): ...\n", b"this is a WSGI application"),
        ("from tests.support import odd_errors; raise odd_errors.doubled(60)\n", b"Member of the group: "),
    ],
)
def test_a_mistake_is_shown_and_its_mending_noticed(reload, folder, mistake, shown):
    source = folder / "edited.py"
    source.write_text(GOOD)
    server = reload("edited:app")
    assert is_good(server)()
    edit_until(is_bad(server), source, mistake)
    assert shown in get(server.address)
    edit_until(is_good(server), source, GOOD)
    server.stop()


@pytest.mark.parametrize("save", [rename_over, move_away_first])
def test_editors_may_save_as_they_like(reload, folder, save, loop):
    source = folder / "edited.py"
    source.write_text(GOOD)
    server = reload("edited:app", loop=loop)
    assert is_good(server)()
    edit_until(is_bad(server), source, "undefined\n", save)
    edit_until(lambda: b"SyntaxError" in get(server.address), source, "broken(:\n", save)
    edit_until(is_good(server), source, GOOD, save)
    server.stop()


@pytest.mark.parametrize(("app", "path"), [("later:app", "later.py"), ("package.later:app", "package/later.py")])
def test_an_application_that_is_not_there_yet_is_served_once_it_is(reload, folder, app, path):
    server = reload(app)
    assert is_bad(server)()
    assert b"ModuleNotFoundError" in get(server.address)
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(GOOD)
    wait_until(is_good(server), "the application")
    server.stop()


def test_a_file_that_the_import_misses_is_waited_for(reload, folder):
    wanted = folder / "settings.toml"
    (folder / "reading.py").write_text(f"open({str(wanted)!r}).close()\n{GOOD}")
    server = reload("reading:app")
    assert is_bad(server)()
    wanted.write_text("")
    wait_until(is_good(server), "the application")
    server.stop()


def test_a_broken_module_behind_the_application_is_watched(reload, folder):
    (folder / "outer.py").write_text(f"import inner\n{GOOD}")
    inner = folder / "inner.py"
    inner.write_text("undefined\n")
    server = reload("outer:app")
    assert is_bad(server)()
    inner.write_text("defined = 1\n")
    wait_until(is_good(server), "the application")
    server.stop()


def test_a_startup_that_failed_begins_anew_after_an_edit(reload, folder):
    source = folder / "edited.py"
    source.write_text(f"import os\nos.environ['STARTUP_FAILS'] = 'no database'\n{GOOD}")
    server = reload("edited:app")
    assert b"ASGI lifespan startup failed: no database" in get(server.address)
    edit_until(is_good(server), source, GOOD)
    server.stop()


def test_open_streams_do_not_hold_up_a_reload(reload, folder, journal):
    source = folder / "edited.py"
    source.write_text(GOOD)
    server = reload("edited:app")
    with socket.create_connection(server.address) as stream:
        stream.sendall(b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n")
        stream.recv(65536)
        server.reload_by_edit(source, f"{GOOD}# changed\n")
    assert "shutdown" in journal()
