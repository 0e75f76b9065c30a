"""Settings: where values come from, and what stops the boot."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

import gasgi
from gasgi.errors import SettingError
from gasgi.head_rules import HeadLimits
from gasgi.setting_sources import describe_settings, find_config_module, load_settings, render_settings
from gasgi.settings import EXTENSIONS, OWN_SETTINGS, SETTINGS, Settings

KUBERNETES = {
    "GASGI_SERVICE_HOST": "192.0.2.7",
    "GASGI_SERVICE_PORT": "80",
    "GASGI_SERVICE_PORT_HTTP": "80",
    "GASGI_PORT": "tcp://192.0.2.7:80",
    "GASGI_PORT_80_TCP": "tcp://192.0.2.7:80",
    "GASGI_PORT_80_TCP_ADDR": "192.0.2.7",
    "GASGI_WEB_SERVICE_HOST": "192.0.2.7",
}


def config_module(**names: object) -> ModuleType:
    module = ModuleType("__config__")
    module.__file__ = "/srv/gunicorn.conf.py"
    vars(module).update(names)
    return module


def source_of(field: str, *args: Any) -> str:
    return next(row.source for row in describe_settings(*args) if row.setting.field == field)


def test_loads_the_defaults_from_an_untouched_gunicorn():
    assert load_settings(Config(), None, {}) == Settings()


def test_every_setting_has_a_help_text_and_a_public_name():
    assert len(SETTINGS) == len(dataclasses.fields(Settings))
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.help
        assert setting.name.startswith("gasgi_") == setting.is_own


def test_every_default_lies_in_its_own_range():
    for setting in SETTINGS:
        if setting.is_own:
            assert setting.read(setting.default, "default") == setting.default


def test_reads_gunicorns_values():
    cfg = Config()
    cfg.set("keepalive", 75)
    cfg.set("limit_request_field_size", 1000)
    cfg.set("header_map", "refuse")
    cfg.set("secure_scheme_headers", {"X-SCHEME": "tls"})
    settings = load_settings(cfg, None, {})
    assert settings.keep_alive_s == 75.0
    assert settings.limit_request_field_bytes == 1000
    assert settings.header_map == "refuse"
    assert settings.secure_scheme_headers == (("X-SCHEME", "tls"),)


def test_takes_the_default_for_a_setting_an_older_gunicorn_lacks():
    assert load_settings(SimpleNamespace(keepalive=5), None, {}) == Settings(keep_alive_s=5.0)


def test_takes_a_setting_an_older_gunicorn_lacks_from_the_file():
    module = config_module(asgi_disconnect_grace_period=1)
    assert load_settings(SimpleNamespace(), module, {}).disconnect_grace_s == 1.0
    with pytest.raises(SettingError, match="asgi_disconnect_grace_period = 'soon'"):
        load_settings(SimpleNamespace(), config_module(asgi_disconnect_grace_period="soon"), {})


@pytest.mark.parametrize(
    ("name", "field", "bound"),
    [
        ("limit_request_line", "limit_request_line", 1024 * 1024),
        ("limit_request_fields", "limit_request_fields", 32_768),
        ("limit_request_field_size", "limit_request_field_bytes", 1024 * 1024),
    ],
)
def test_bounds_what_gunicorn_calls_unlimited(name, field, bound):
    cfg = Config()
    cfg.set(name, 0)
    assert getattr(load_settings(cfg, None, {}), field) == bound


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0660", "\uff11", "1e", "", "1 0"])
@pytest.mark.parametrize("name", ["gasgi_websocket_queue_messages", "gasgi_slow_loop_ms"])
def test_a_number_of_gasgis_is_written_in_plain_digits(name, text):
    with pytest.raises(SettingError, match="in the digits 0 to 9"):
        load_settings(Config(), config_module(**{name: text}), {})
    with pytest.raises(SettingError, match="in the digits 0 to 9"):
        load_settings(Config(), None, {name.upper(): text})


@pytest.mark.parametrize("text", ["10", " 10 ", "+10", "10.0", "1e1", "10."])
def test_a_number_may_be_written_in_every_plain_form(text):
    assert load_settings(Config(), None, {"GASGI_SLOW_LOOP_MS": text}).slow_loop_ms == 10.0


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0660"])
@pytest.mark.parametrize("name", ["keepalive", "timeout", "workers", "limit_request_line", "max_requests_jitter"])
def test_a_number_of_gunicorns_is_written_in_plain_digits(name, text):
    cfg = Config()
    cfg.set(name, text)  # gunicorn takes it for ten
    with pytest.raises(SettingError, match=f"{name} = .* in the digits 0 to 9"):
        load_settings(cfg, config_module(**{name: text}), {})
    with pytest.raises(SettingError, match=r"WEB_CONCURRENCY = .* in the digits 0 to 9"):
        load_settings(Config(), None, {"WEB_CONCURRENCY": text})
    assert load_settings(Config(), config_module(workers="10", umask="0o27"), {"WEB_CONCURRENCY": "10"}) == Settings()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("limit_request_line", 1, 1024 * 1024),
        ("limit_request_fields", 1, 32_768),
        ("limit_request_field_size", 2, 1024 * 1024),
    ],
)
def test_a_limit_of_heads_that_would_not_be_the_one_used_is_refused(name, low, high):
    for value in (0, low, 8_191, 16_384, high):
        cfg = Config()
        cfg.set(name, value)
        settings = load_settings(cfg, None, {})
        limits = HeadLimits(
            settings.limit_request_line, settings.limit_request_fields, settings.limit_request_field_bytes
        )
        used = {"limit_request_line": limits.line, "limit_request_fields": limits.fields}.get(name, limits.field_bytes)
        shown = dict(line.split()[:2] for line in render_settings(cfg, None, {}).splitlines())[name]
        assert shown == str(used) == str(value or high)
    for value in {low - 1, high + 1} - {0}:
        cfg = Config()
        cfg.set(name, value)
        with pytest.raises(SettingError, match=f"{name} = {value}"):
            load_settings(cfg, None, {})


@pytest.mark.parametrize("extensions", [None, ["http.response.pathsend", "tls", "http.response.zerocopysend"]])
def test_no_sendfile_withdraws_the_extensions_that_send_files(extensions):
    module = config_module(**({} if extensions is None else {"gasgi_asgi_extensions": extensions}))
    assert load_settings(Config(), module, {}).asgi_extensions == tuple(extensions or EXTENSIONS)
    cfg = Config()
    cfg.set("sendfile", False)
    announced = load_settings(cfg, module, {}).asgi_extensions
    assert announced == (EXTENSIONS if extensions is None else ("tls",))
    shown = next(line for line in render_settings(cfg, module, {}).splitlines() if "gasgi_asgi_extensions" in line)
    assert ", ".join(announced) in shown
    assert "pathsend" not in shown


def test_files_are_not_announced_by_default():
    assert not any("send" in name for name in Settings().asgi_extensions)


def test_refuses_a_worker_that_may_hold_no_connection():
    cfg = Config()
    cfg.set("worker_connections", 0)
    with pytest.raises(SettingError, match="worker_connections = 0"):
        load_settings(cfg, None, {})


def test_configuration_file_beats_environment():
    module = config_module(gasgi_header_timeout_s=3)
    environ = {"GASGI_HEADER_TIMEOUT_S": "4", "GASGI_GC_FREEZE": "false"}
    settings = load_settings(Config(), module, environ)
    assert settings.header_timeout_s == 3.0
    assert settings.gc_freeze is False
    assert source_of("header_timeout_s", Config(), module, environ) == "/srv/gunicorn.conf.py"
    assert source_of("gc_freeze", Config(), module, environ) == "environment variable GASGI_GC_FREEZE"
    assert source_of("slow_loop_ms", Config(), module, environ) == "default"


def test_command_line_beats_configuration_file():
    cfg = SimpleNamespace(gasgi_header_timeout_s=9.0)  # as the gasgi command registers it
    module = config_module(gasgi_header_timeout_s=3)
    assert load_settings(cfg, module, {}).header_timeout_s == 9.0
    assert source_of("header_timeout_s", cfg, module, {}) == "command line"


def test_names_the_file_when_gunicorn_knows_the_setting_too():
    cfg = SimpleNamespace(gasgi_header_timeout_s=3.0)
    module = config_module(gasgi_header_timeout_s=3)
    assert source_of("header_timeout_s", cfg, module, {}) == "/srv/gunicorn.conf.py"


def test_says_which_gunicorn_settings_were_changed_and_where():
    cfg = Config()
    cfg.set("keepalive", 75)
    cfg.set("backlog", 10)
    module = config_module(backlog=10, keepalive=5)  # which the command line overrode
    assert source_of("keep_alive_s", cfg, module, {}) == "gunicorn: command line or environment"
    assert source_of("backlog", cfg, module, {}) == "/srv/gunicorn.conf.py"
    assert source_of("graceful_timeout_s", cfg, module, {}) == "default"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"gasgi_slow_loop_ms": 50}, {"slow_loop_ms": 50.0}),
        ({"gasgi_slow_loop_ms": "50.5"}, {"slow_loop_ms": 50.5}),
        ({"gasgi_gc_freeze": "No"}, {"gc_freeze": False}),
        ({"gasgi_limit_concurrency": " 12 "}, {"limit_concurrency": 12}),
        ({"gasgi_server_header": ""}, {"server_header": ""}),
        (
            {"gasgi_forwarded_fields": "forwarded, x-forwarded-for"},
            {"forwarded_fields": ("forwarded", "x-forwarded-for")},
        ),
        ({"gasgi_forwarded_fields": ["forwarded"]}, {"forwarded_fields": ("forwarded",)}),
        ({"gasgi_forwarded_fields": ""}, {"forwarded_fields": ()}),
        (
            {"gasgi_forwarded_fields": "x-forwarded-for,script_name,path_info"},
            {"forwarded_fields": ("x-forwarded-for", "script_name", "path_info")},
        ),
    ],
)
def test_reads_values_as_they_are_written(written, value):
    assert load_settings(Config(), config_module(**written), {}) == Settings(**value)
    in_environment = {name.upper(): text for name, text in written.items() if isinstance(text, str)}
    if in_environment:
        assert load_settings(Config(), None, in_environment) == Settings(**value)


@pytest.mark.parametrize(
    "written",
    [
        {"gasgi_header_timeout_s": -1},
        {"gasgi_header_timeout_s": 1e9},
        {"gasgi_header_timeout_s": float("nan")},
        {"gasgi_header_timeout_s": float("inf")},
        {"gasgi_header_timeout_s": "soon"},
        {"gasgi_header_timeout_s": True},
        {"gasgi_header_timeout_s": [1]},
        {"gasgi_limit_concurrency": 1.5},
        {"gasgi_limit_concurrency": "many"},
        {"gasgi_limit_concurrency": False},
        {"gasgi_gc_freeze": 1},
        {"gasgi_gc_freeze": "maybe"},
        {"gasgi_server_header": "a\r\nset-cookie: b"},
        {"gasgi_server_header": "gäsgi"},
        {"gasgi_server_header": 3},
        {"gasgi_websocket_compression_window_bits": 8},
        {"gasgi_websocket_compression_window_bits": 16},
        {"gasgi_websocket_close_timeout_s": 0},
        {"gasgi_forwarded_fields": "x-real-ip"},
        {"gasgi_forwarded_fields": 7},
        {"gasgi_forwarded_fields": [7]},
    ],
)
def test_impossible_value_names_setting_value_and_place(written):
    ((name, value),) = written.items()
    with pytest.raises(SettingError) as caught:
        load_settings(Config(), config_module(**written), {})
    assert str(caught.value).startswith(f"{name} = {value!r} (/srv/gunicorn.conf.py): ")


def test_impossible_value_in_the_environment_names_the_variable():
    with pytest.raises(SettingError, match="environment variable GASGI_BODY_TIMEOUT_S"):
        load_settings(Config(), None, {"GASGI_BODY_TIMEOUT_S": "-1"})


def test_misspelt_name_in_the_configuration_file_names_the_nearest():
    with pytest.raises(SettingError, match=r"gasgi_header_timeout \(/srv/gunicorn.conf.py\).*gasgi_header_timeout_s"):
        load_settings(Config(), config_module(gasgi_header_timeout=3), {})


def test_misspelt_name_in_the_environment_names_the_nearest():
    with pytest.raises(SettingError, match=r"GASGI_GCFREEZE \(environment\).*GASGI_GC_FREEZE"):
        load_settings(Config(), None, {"GASGI_GCFREEZE": "1"})


def test_name_in_capitals_in_the_configuration_file_is_misspelt():
    with pytest.raises(SettingError, match="nearest is gasgi_gc_freeze"):
        load_settings(Config(), config_module(GASGI_GC_FREEZE=False), {})


def test_modules_and_functions_of_the_configuration_file_are_no_settings():
    module = config_module(gasgi_helpers=ModuleType("gasgi_helpers"), gasgi_workers=lambda: 3)
    assert load_settings(Config(), module, {}) == Settings()


def test_build_switch_and_service_addresses_are_no_settings():
    assert load_settings(Config(), None, {"GASGI_EXTENSIONS": "require", **KUBERNETES}) == Settings()


def test_finds_the_configuration_file_gunicorn_executed():
    module = ModuleType("__config__")
    assert find_config_module(Config(), {"__config__": module}) is module
    assert find_config_module(Config(), {}) is None


def test_finds_a_configuration_module_given_by_name():
    module = ModuleType("conf.production")
    cfg = Config()
    cfg.set("config", "python:conf.production")
    assert find_config_module(cfg, {"conf.production": module, "__config__": ModuleType("old")}) is module


def test_rendered_settings_show_name_value_and_source():
    text = render_settings(None, config_module(gasgi_gc_freeze=False), {"GASGI_SLOW_LOOP_MS": "25"})
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert len(lines) == len(SETTINGS)
    assert lines["gasgi_gc_freeze"] == ["false", "/srv/gunicorn.conf.py"]
    assert lines["gasgi_slow_loop_ms"] == ["25", "environment", "variable", "GASGI_SLOW_LOOP_MS"]
    assert lines["keepalive"] == ["2", "default"]


def test_messages_name_settings_that_exist():
    sources = [path for path in Path(gasgi.__file__).parent.rglob("*.py*") if path.suffix in (".py", ".pyx")]
    text = "\n".join(path.read_text() for path in sources)
    assert set(re.findall(r"\bgasgi_[a-z_]*[a-z]\b", text)) - OWN_SETTINGS.keys() == set()


@pytest.mark.parametrize("text", ["127.0.0.1:9100", "[::1]:9100", "unix:/run/metrics.sock", "localhost:1"])
def test_takes_an_address_for_the_metrics(text):
    assert load_settings(Config(), None, {"GASGI_METRICS_BIND": text}).metrics_bind == text


@pytest.mark.parametrize("text", ["9100", ":9100", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "unix:", "a:b"])
def test_refuses_what_is_no_address_for_the_metrics(text):
    with pytest.raises(SettingError, match="must be host:port or unix:path"):
        load_settings(Config(), None, {"GASGI_METRICS_BIND": text})


@pytest.mark.parametrize("text", ["", "0,1", "1,1", "2,1", "a", "1,inf", ",".join(map(str, range(1, 52)))])
def test_refuses_buckets_that_do_not_go_up_from_above_0(text):
    with pytest.raises(SettingError, match="must"):
        load_settings(Config(), None, {"GASGI_METRICS_BUCKETS": text})
