"""The boot: what cannot work stops it with a sentence that names the setting; the rest starts in every known way."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import sys

import gunicorn
import pytest

from tests.support.gunicorn import free_port, wait_until

APP = "tests.integration.apps:app"
RAISE_WITHOUT_END = "from tests.support import odd_errors; raise odd_errors.doubled(60)"


def get(address: tuple[str, int] | str, path: str = "/", family: int = socket.AF_INET) -> bytes:
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else family) as client:
        client.settimeout(60)
        client.connect(address)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
        return data


# Lifespan


def test_a_failed_startup_prints_its_reason_and_stops_gunicorn(start, loop):
    server = start(workers=0, loop=loop, environ={"STARTUP_FAILS": "no database at db:5432"})
    assert server.wait() == 3
    assert "ASGI lifespan startup failed: no database at db:5432" in server.log
    assert server.log.count("Booting worker") == 1
    assert "Traceback" not in server.log


def test_a_startup_that_exits_stops_gunicorn(start, tmp_path):
    (tmp_path / "exiting.py").write_text(
        "import sys\nasync def app(scope, receive, send):\n    sys.exit('no licence')\n"
    )
    server = start("exiting:app", "--pythonpath", str(tmp_path), workers=0)
    assert server.wait() == 3
    assert "no licence" in server.log
    assert server.log.count("Booting worker") == 1


def test_a_wsgi_application_stops_the_boot_and_is_told_as_such(start, tmp_path):
    (tmp_path / "flasks.py").write_text("def app(environ, start_response): ...\n")
    server = start("flasks:app", "--pythonpath", str(tmp_path), workers=0)
    assert server.wait() == 3
    assert "[ERROR] this is a WSGI application: app takes two arguments" in server.log
    assert server.log.count("Booting worker") == 1
    assert "Traceback" not in server.log


def test_the_heart_beats_during_a_startup_longer_than_the_timeout(start):
    server = start(APP, "--timeout", "2", environ={"STARTUP_S": "5"})
    assert b"200 OK" in get(server.address)
    assert "WORKER TIMEOUT" not in server.log
    server.stop()


def test_lifespan_off_and_auto_serve_an_app_without_lifespan(start, tmp_path):
    (tmp_path / "bare.py").write_text(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http' and 'state' not in scope\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'bare'})\n"
    )
    for mode in ("off", "auto"):
        server = start("bare:app", "--pythonpath", str(tmp_path), "--asgi-lifespan", mode)
        assert get(server.address).endswith(b"bare")
        server.stop()
    server = start("bare:app", "--pythonpath", str(tmp_path), "--asgi-lifespan", "on", workers=0)
    assert server.wait() == 3
    assert "AssertionError" in server.log


@pytest.mark.parametrize(
    ("own_choice", "setting", "seen"),
    [("", {}, 5000), ("gc.set_threshold(900)", {}, 900), ("", {"GASGI_GC_THRESHOLD": "12000"}, 12_000)],
)
def test_the_collectors_threshold_is_raised_before_the_app_chooses(start, tmp_path, own_choice, setting, seen):
    (tmp_path / "collected.py").write_text(
        f"import gc\n{own_choice}\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'%d' % gc.get_threshold()[0]})\n"
    )
    server = start("collected:app", "--pythonpath", str(tmp_path), "--asgi-lifespan", "off", environ=setting)
    assert get(server.address).endswith(b"\r\n\r\n%d" % seen)
    server.stop()


def test_post_worker_init_runs_before_the_worker_serves(start):
    server = start(
        config="def post_worker_init(worker): worker.log.info('post_worker_init %s', worker.asgi is not None)\n"
    )
    assert server.log.index("post_worker_init True") < server.log.index("] gasgi ")


# What stops the boot


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("protocol = 'uwsgi'", "protocol = 'uwsgi'"),
        ("gasgi_header_timeout_s = -1", "gasgi_header_timeout_s = -1"),
        ("gasgi_heder_timeout_s = 1", "the nearest is gasgi_header_timeout_s"),
    ],
)
def test_an_impossible_setting_stops_the_boot(start, config, sentence):
    server = start(workers=0, config=config + "\n")
    assert server.wait() == 1
    assert sentence in server.log
    assert "Traceback" not in server.log
    assert "Booting worker" not in server.log


@pytest.mark.parametrize("config", ["gasgi_header_timeout_s = -1", "strip_header_spaces = True"])
def test_an_impossible_setting_that_a_reload_brings_is_named(start, config):
    server = start()
    (server.directory / "gunicorn.conf.py").write_text(f"{config}\n")
    server.signal(signal.SIGHUP)
    assert server.wait() == 3
    assert config in server.log
    assert "Traceback" not in server.log


def test_a_setting_without_effect_is_warned_of_once(start):
    server = start(APP, workers=2, config="do_handshake_on_connect = True\n")
    assert server.log.count("do_handshake_on_connect = True: has no effect") == 1
    (server.directory / "gunicorn.conf.py").write_text("suppress_ragged_eofs = False\n")
    server.signal(signal.SIGHUP)
    server.wait_for_workers(4)
    assert server.log.count("do_handshake_on_connect = True: has no effect") == 1
    assert server.log.count("suppress_ragged_eofs = False: has no effect") == 1
    server.stop()


def test_a_startup_that_cancels_all_tasks_stops_gunicorn(start, loop):
    server = start(APP, workers=0, loop=loop, environ={"STARTUP_CANCELS": "1"})
    assert server.wait() == 3
    assert "Exception while the worker was starting" in server.log
    assert server.log.count("Booting worker") == 1


def test_a_startup_that_failed_is_not_repeated_because_of_a_thread_without_end(start):
    server = start(APP, "--asgi-lifespan", "on", workers=0, environ={"STARTUP_FAILS": "no", "STARTUP_THREAD": "1"})
    assert server.wait() == 3
    assert server.log.count("Booting worker") == 1


def test_an_app_that_is_not_there_stops_gunicorn(start):
    server = start("no_such_module:app", workers=0)
    assert server.wait() in (3, 4)
    assert "no_such_module" in server.log


def test_check_config_passes_and_fails(start):
    server = start(APP, "--check-config", workers=0)
    assert server.wait() == 0


# Ways to start


def test_preload_shares_the_import_and_each_worker_runs_its_lifespan(start, journal):
    server = start(APP, "--preload", workers=2)
    assert b"200 OK" in get(server.address)
    assert len([line for line in journal() if line.startswith("startup")]) == 2
    server.stop()
    assert journal().count("shutdown") == 2


@pytest.mark.parametrize("end", ["sys.exit('no database')", "sys.exit()", "raise KeyboardInterrupt"])
def test_an_application_that_ends_its_own_import_stops_the_boot(start, tmp_path, end):
    (tmp_path / "ending.py").write_text(f"import sys\n{end}\n")
    server = start("ending:app", "--pythonpath", str(tmp_path), workers=0)
    assert server.wait() == 3
    assert server.log.count("Booting worker") == 1
    assert "Application exited during import: " in server.log
    assert ("no database" in server.log) == ("no database" in end)


def test_an_application_that_raises_a_group_without_end_stops_the_boot(start, tmp_path):
    (tmp_path / "ending.py").write_text(f"{RAISE_WITHOUT_END}\n")
    server = start("ending:app", "--pythonpath", str(tmp_path), workers=0)
    assert server.wait() == 3
    assert "[ERROR] Cannot load the application\n" in server.log


def test_daemon_detaches_and_serves(start, tmp_path):
    pidfile, error_log = tmp_path / "pid", tmp_path / "error.log"
    options = ("--daemon", "--pid", str(pidfile), "--error-logfile", str(error_log))
    port = free_port()
    server = start(APP, *options, workers=0, bind=f"127.0.0.1:{port}")
    assert server.wait() == 0
    wait_until(lambda: error_log.exists() and "] gasgi " in error_log.read_text(), "the worker")
    pid = int(pidfile.read_text())
    try:
        assert b"200 OK" in get(("127.0.0.1", port))
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pidfile.exists(), "the end")


if os.geteuid() == 0:

    def test_user_and_group_are_taken_and_the_key_may_be_roots(start, certificates, tmp_path):
        import grp
        import pwd

        nobody = pwd.getpwnam("nobody")
        group = grp.getgrgid(nobody.pw_gid).gr_name
        os.chmod(certificates.key, stat.S_IRUSR)
        options = ("--user", "nobody", "--group", group, "--certfile", certificates.cert, "--keyfile", certificates.key)
        # Preloaded: the tests' own directories may be closed to others.
        options += ("--preload",)
        os.chmod(tmp_path, 0o777)
        server = start(APP, *options, bind="127.0.0.1:0", environ={"JOURNAL": str(tmp_path / "journal")})
        (pid,) = server.workers()
        assert os.stat(f"/proc/{pid}").st_uid == nobody.pw_uid
        with certificates.client_context().wrap_socket(
            socket.create_connection(server.address), server_hostname="localhost"
        ) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert b"200 OK" in client.recv(65536)
        server.stop()


# Sockets


def test_an_ordinary_unix_socket_is_served_by_each_new_worker(start, tmp_path, loop):
    path = str(tmp_path / "s")
    server = start(bind=f"unix:{path}", loop=loop)
    assert f"'server': ('{path}', None)".encode() in get(path, "/scope")
    (old,) = server.workers()
    os.kill(old, signal.SIGTERM)
    server.wait_for_workers(2)
    assert b"200 OK" in get(path), "the first worker took the path with it"
    server.stop()
    assert not os.path.exists(path)


# gunicorn 24 looks for the name in the file system.
if sys.platform == "linux" and int(gunicorn.__version__.partition(".")[0]) >= 27:

    def test_an_abstract_unix_socket(start, tmp_path):
        name = f"gasgi-{os.getpid()}-{tmp_path.name}"
        server = start(bind=None, config=f"bind = ['unix:\\0{name}']\n")
        assert b"200 OK" in get("\0" + name)
        (pid,) = server.workers()
        # The master is gunicorn's own and stumbles here: it tries to remove the name from the file system.
        server.signal(signal.SIGTERM)
        server.wait()
        wait_until(lambda: pid not in server.workers(), "the worker's end")


@pytest.mark.needs_ipv6
def test_ipv6(start):
    server = start(bind="[::1]:0", workers=0)
    server.wait_for_workers()
    port = int(re.findall(r"Listening at: \S+:(\d+) ", server.log)[0])
    with socket.create_connection(("::1", port)) as client:
        client.sendall(b"GET /scope HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = client.recv(65536)
    assert b"'client': ('::1', " in answer
    assert f"'server': ('::1', {port})".encode() in answer


def test_several_binds(start, tmp_path):
    path = str(tmp_path / "s")
    server = start(APP, "--bind", f"unix:{path}")
    assert b"200 OK" in get(path)
    assert b"200 OK" in get(server.address)


def listening_socket() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(77)
    return listener


def test_an_inherited_descriptor(start):
    with listening_socket() as listener:
        server = start(bind=f"fd://{listener.fileno()}", pass_fds=(listener.fileno(),))
        assert b"200 OK" in get(listener.getsockname())
        server.stop()


def test_systemd_socket_activation(start):
    """LISTEN_FDS and LISTEN_PID as sd_listen_fds(3) says: the descriptors begin at 3, the id is the process's own."""
    with listening_socket() as listener:
        activate = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
            "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
        )
        wrapper = (sys.executable, "-c", activate, str(listener.fileno()))
        server = start(bind=None, wrapper=wrapper, pass_fds=(listener.fileno(),))
        assert b"200 OK" in get(listener.getsockname())
        server.stop()
        # The socket is systemd's: it is still there for the next start.
        socket.create_connection(listener.getsockname()).close()


def test_reuse_port_gives_each_worker_a_socket_of_its_own(start):
    port = free_port()
    server = start(APP, "--reuse-port", workers=2, bind=f"127.0.0.1:{port}")
    workers = {get(("127.0.0.1", port)).rpartition(b"\r\n")[2] for _ in range(60)}
    assert workers == {str(pid).encode() for pid in server.workers()}
