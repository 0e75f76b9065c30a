"""The gasgi command: gunicorn's command line with gasgi's flags. Each case runs in a process of its own.

Registering settings changes gunicorn for the whole process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gasgi.settings import OWN_SETTINGS
from tests.support.certificates import Certificates, make_certificates

COMMAND = [sys.executable, "-c", "from gasgi.cli import main; main()"]
APP = "async def app(scope, receive, send): ..."
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def run(
    command: list[str], directory: Path, *, stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GASGI_", "GUNICORN_"))}
    if "GASGI_EXTENSIONS" in os.environ:
        environ["GASGI_EXTENSIONS"] = os.environ["GASGI_EXTENSIONS"]
    # The tests' own way to gasgi must survive the change of directory.
    environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    return subprocess.run(
        command,
        cwd=directory,
        env={**environ, **variables},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def configuration(directory: Path, *arguments: str, **variables: str) -> dict[str, str]:
    """What gunicorn's --print-config says."""
    done = run([*COMMAND, "--print-config", *arguments, "main:app"], directory, **variables)
    assert done.returncode == 0, done.stderr
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def settings(directory: Path, *arguments: str, **variables: str) -> dict[str, str]:
    """What python -m gasgi --settings says: name, then value and source."""
    done = run([sys.executable, "-m", "gasgi", "--settings", *arguments], directory, **variables)
    assert done.returncode == 0, done.stderr
    return {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.splitlines()}


def test_worker_class_is_gasgis_unless_another_is_named(directory):
    assert configuration(directory)["worker_class"] == "gasgi.Worker"
    assert configuration(directory, "-k", "sync")["worker_class"] == "sync"


def test_every_own_setting_is_a_flag(directory):
    text = run([*COMMAND, "--help"], directory).stdout
    for setting in OWN_SETTINGS.values():
        assert setting.flag in text


def test_help_shows_defaults_as_a_flag_takes_them(directory):
    text = " ".join(run([*COMMAND, "--help"], directory, COLUMNS="300").stdout.split())
    assert "--gasgi-gc-freeze BOOL" in text
    assert "when the worker is ready [true]" in text
    assert "--gasgi-forwarded-fields LIST" in text
    assert "besides secure_scheme_headers [x-forwarded-for]" in text


def test_flag_sets_gunicorns_and_gasgis_settings(directory):
    shown = configuration(directory, "--workers", "4", "--gasgi-slow-loop-ms", "20", "--gasgi-gc-freeze", "off")
    assert (shown["workers"], shown["gasgi_slow_loop_ms"], shown["gasgi_gc_freeze"]) == ("4", "20.0", "False")


def test_flag_beats_gunicorn_cmd_args_beats_file_beats_environment(directory):
    (directory / "gunicorn.conf.py").write_text(
        "gasgi_header_timeout_s = 1\ngasgi_body_timeout_s = 1\ngasgi_write_timeout_s = 1\n"
    )
    shown = settings(
        directory,
        "--gasgi-header-timeout-s=4",
        GUNICORN_CMD_ARGS="--gasgi-header-timeout-s=3 --gasgi-body-timeout-s=3",
        GASGI_HEADER_TIMEOUT_S="2",
        GASGI_BODY_TIMEOUT_S="2",
        GASGI_WRITE_TIMEOUT_S="2",
        GASGI_SLOW_LOOP_MS="2",
    )
    assert shown["gasgi_header_timeout_s"] == "4 command line"
    assert shown["gasgi_body_timeout_s"] == "3 command line"
    assert shown["gasgi_write_timeout_s"].startswith("1 /")
    assert shown["gasgi_write_timeout_s"].endswith("gunicorn.conf.py")
    assert shown["gasgi_slow_loop_ms"] == "2 environment variable GASGI_SLOW_LOOP_MS"
    assert shown["gasgi_gc_freeze"] == "true default"


def test_variables_of_raw_env_count(directory):
    assert settings(directory, "-e", "GASGI_SLOW_LOOP_MS=7")["gasgi_slow_loop_ms"] == (
        "7 environment variable GASGI_SLOW_LOOP_MS"
    )


def test_configuration_module_by_name_counts(directory):
    (directory / "production.py").write_text("gasgi_header_timeout_s = 1\n")
    assert settings(directory, "-c", "python:production")["gasgi_header_timeout_s"].startswith("1 /")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--gasgi-header-timeout-s", "soon"], "gasgi_header_timeout_s = 'soon'"),
        (["--gasgi-header-timeout-s", "-1"], "gasgi_header_timeout_s"),
        (["--gasgi-header-timout-s", "1"], "--gasgi-header-timout-s"),
    ],
)
def test_impossible_flag_stops_the_boot_and_is_named(directory, arguments, named):
    done = run([*COMMAND, *arguments, "main:app"], directory)
    assert done.returncode != 0
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_impossible_value_in_the_file_stops_the_boot_and_is_named(directory):
    (directory / "gunicorn.conf.py").write_text("gasgi_limit_concurrency = -1\n")
    done = run([*COMMAND, "main:app"], directory)
    assert done.returncode != 0
    assert "gasgi_limit_concurrency = -1" in done.stderr
    assert "Traceback" not in done.stderr


def test_shown_settings_name_a_misspelt_one(directory):
    done = run([sys.executable, "-m", "gasgi", "--settings"], directory, GASGI_GCFREEZE="1")
    assert done.returncode == 1
    assert "GASGI_GC_FREEZE" in done.stdout


@pytest.mark.parametrize("number", ["1_0", "\u0663", "\uff11\uff10"])
@pytest.mark.parametrize("flag", ["--keep-alive", "--workers", "--gasgi-limit-concurrency", "--gasgi-header-timeout-s"])
def test_a_number_is_written_in_plain_digits(directory, flag, number):
    for command in ([*COMMAND, "--check-config"], [sys.executable, "-m", "gasgi", "--settings"]):
        done = run([*command, flag, number, "main:app"], directory)
        assert done.returncode != 0
        assert number in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_missing_application_is_gunicorns_error(directory):
    done = run(COMMAND, directory)
    assert done.returncode != 0
    assert "No application module specified" in done.stderr


def test_version_names_both(directory):
    import gunicorn

    import gasgi

    shown = run([*COMMAND, "--version"], directory).stdout
    assert shown == f"gasgi {gasgi.__version__} on gunicorn {gunicorn.__version__}\n"


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "gasgi"],
        [sys.executable, "-m", "gasgi", "--help"],
        [sys.executable, "-m", "gasgi", "--settings"],
        [*COMMAND, "--version"],
        [*COMMAND, "--help"],
        [*COMMAND, "--print-config", "main:app"],
    ],
    ids=["report", "report-help", "settings", "version", "help", "print-config"],
)
def test_a_reader_that_leaves_gets_no_traceback(directory, command):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(command, directory, stdout=writer)
    os.close(writer)
    # argparse passes over an error of its own writing; what Python holds back (without PYTHONUNBUFFERED) is ours.
    assert done.returncode in ((0, 141) if "--help" in command else (141,))
    assert done.stderr == ""


def test_check_config_passes_what_would_serve(directory, certificates):
    options = ["--check-config", "--certfile", certificates.cert, "--keyfile", certificates.key]
    done = run([*COMMAND, *options, "main:app"], directory)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--certfile", "{cert}", "--keyfile", "{other_key}"], "keyfile="),
        (["--certfile", "main.py"], "certfile='main.py'"),
        (["--certfile", "{cert}", "--keyfile", "{key}", "--ciphers", "NOTHING"], "ciphers='NOTHING'"),
        (["--protocol", "uwsgi"], "protocol = 'uwsgi'"),
        (["--access-logformat", "%(h"], "access_log_format = '%(h'"),
        (["--gasgi-forwarded-fields", "x-forwarded-four"], "gasgi_forwarded_fields"),
    ],
)
def test_check_config_names_what_would_stop_the_boot(directory, certificates, arguments, named):
    arguments = [argument.format_map(vars(certificates)) for argument in arguments]
    done = run([*COMMAND, "--check-config", *arguments, "main:app"], directory)
    assert done.returncode != 0
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_knows_what_the_environment_will_be(directory):
    done = run([*COMMAND, "--check-config", "--env", "GASGI_HEADER_TIMEOUT_S=never", "main:app"], directory)
    assert done.returncode == 1
    assert "GASGI_HEADER_TIMEOUT_S" in done.stderr


def test_check_config_leaves_other_worker_classes_alone(directory):
    assert run([*COMMAND, "--check-config", "-k", "sync", "main:app"], directory).returncode == 0
