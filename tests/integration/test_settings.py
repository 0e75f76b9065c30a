"""What ``gasgi --show-settings`` shows is what the running worker uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gasgi.setting import Setting
from gasgi.settings import SETTINGS
from tests.support.gunicorn import DEADLINE_S, free_port

GUNICORNS = {
    "root_path": "/api",
    "backlog": 77,
    "worker_connections": 99,
    "max_requests": 1234,
    "keepalive": 7,
    "timeout": 31,
    "graceful_timeout": 29,
    "limit_request_line": 16384,
    "limit_request_fields": 101,
    "limit_request_field_size": 8191,
    "permit_unconventional_http_method": True,
    "permit_unconventional_http_version": True,
    "casefold_http_method": True,
    "header_map": "dangerous",
    "forwarder_headers": "SCRIPT_NAME",
    "forwarded_allow_ips": "127.0.0.1,10.0.0.0/8",
    "secure_scheme_headers": {"X-SCHEME": "tls"},
    "proxy_protocol": "v2",
    "proxy_allow_ips": "127.0.0.2",
    "asgi_disconnect_grace_period": 4,
    "websocket_max_message_size": 4321,
    "sendfile": False,
    "asgi_loop": "asyncio",
    "asgi_lifespan": "on",
    "http_protocols": "h2,h1",
    "http2_cleartext": "prior-knowledge",
    "http2_max_concurrent_streams": 7,
    "http2_initial_window_size": 70_000,
    "http2_max_frame_size": 20_000,
    "http2_max_header_list_size": 9_000,
}
UNLIMITED = {
    "limit_request_line": 0,
    "limit_request_fields": 0,
    "limit_request_field_size": 0,
    "websocket_max_message_size": 0,
    "http2_max_header_list_size": 0,
}
# Writes what the worker and its parts have, behind the last place that could change it.
DUMP = """
def post_worker_init(worker):
    import json
    from gasgi.setting_sources import show_value
    from gasgi.settings import SETTINGS
    make = worker._make_server
    def dump_and_make(runtime):
        used = {setting.name: show_value(getattr(runtime.settings, setting.field)) for setting in SETTINGS}
        limits = runtime.head_limits
        parts = {
            "limit_request_line": limits.line,
            "limit_request_fields": limits.fields,
            "limit_request_field_size": limits.field_bytes,
            "keepalive": runtime.keep_alive_s,
            "max_requests": runtime.max_requests,
            "gasgi_limit_concurrency": runtime.limit_concurrency,
            "backlog": worker.cfg.backlog,
            "timeout": float(worker.timeout * 2),  # gunicorn halves it for its own workers
            "asgi_loop": "uvloop" if "uvloop" in type(worker.loop).__module__ else "asyncio",
        }
        assert sorted({name for names in runtime.announced for name in names} | {"tls"}) == sorted(
            {*runtime.settings.asgi_extensions, "tls"}
        )
        with open("used.json", "w") as file:
            json.dump([used, {name: show_value(value) for name, value in parts.items()}], file)
        return make(runtime)
    worker._make_server = dump_and_make
"""


def other_than_default(setting: Setting) -> object:
    default = setting.default
    if isinstance(default, bool):
        return not default
    if isinstance(default, tuple):
        return list(setting.choices[-1:] or default[-1:])
    if setting.field == "metrics_bind":
        return f"127.0.0.1:{free_port()}"
    if isinstance(default, str):
        return "other"
    return default + 1


@pytest.mark.parametrize("gunicorns", [GUNICORNS, UNLIMITED, {}], ids=["changed", "unlimited", "default"])
def test_every_value_that_is_shown_is_the_one_used(start, gunicorns, certificates):
    written = dict(gunicorns)
    if gunicorns is GUNICORNS:
        written.update({setting.name: other_than_default(setting) for setting in SETTINGS if setting.is_own})
        assert len(written) == len(SETTINGS)
    config = "".join(f"{name} = {value!r}\n" for name, value in written.items()) + DUMP
    loop = gunicorns.get("asgi_loop", "auto")
    server = start("tests.integration.apps:app", config=config, loop=loop)
    directory: Path = server.directory
    used, parts = json.loads((directory / "used.json").read_text())
    # As the worker was started: the tests' own flags count too.
    command = [sys.executable, "-m", "gasgi", "--show-settings", "-c", "gunicorn.conf.py", "--asgi-loop", loop]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, cwd=directory, env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert lines.keys() == used.keys()
    for name, value in used.items():
        assert lines[name].startswith(f"{value}  " if value else ""), name
        assert value == parts.get(name, value) or (name, value) == ("asgi_loop", "auto")
    if gunicorns is GUNICORNS:
        defaults = [name for name, line in lines.items() if line.endswith("default")]
        assert defaults == []
        assert used["gasgi_asgi_extensions"] == "", "--no-sendfile withdraws the only one"
    server.kill()
