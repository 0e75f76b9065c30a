"""The gasgi command: gunicorn's command line with gasgi's flags. Each case runs in a process of its own.

Registering settings changes gunicorn for the whole process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gasgi import compiled
from gasgi.settings import OWN_SETTINGS
from tests.support.certificates import Certificates, make_certificates

COMMAND = [sys.executable, "-m", "gasgi"]
APP = "async def app(scope, receive, send): ..."


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def help_lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What --help says in a terminal that is wider than it needs."""
    return run([*COMMAND, "--help"], tmp_path_factory.mktemp("help"), COLUMNS="300").stdout.splitlines()


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
    """What --show-settings says: name, then value and source."""
    done = run([*COMMAND, "--show-settings", *arguments], directory, **variables)
    assert done.returncode == 0, done.stderr
    return {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.splitlines()}


def test_worker_class_is_gasgis_unless_another_is_named(directory):
    assert configuration(directory)["worker_class"] == "gasgi.Worker"
    assert configuration(directory, "-k", "sync")["worker_class"] == "sync"


def test_every_own_setting_is_a_flag(help_lines):
    text = "\n".join(help_lines)
    for setting in OWN_SETTINGS.values():
        assert setting.flag in text


def test_help_has_the_groups_of_gunicorn_with_gasgis_first(help_lines):
    groups = [line for line in help_lines if line.endswith(":") and not line.startswith(" ")]
    assert groups[:4] == ["options:", "gasgi:", "Config File:", "Server Socket:"]
    assert len(groups) == len(set(groups))
    assert groups.index("Worker Processes:") < groups.index("SSL:")


def test_help_begins_with_what_else_the_command_does(help_lines):
    usage = "\n".join(help_lines[: help_lines.index("options:")])
    for way in ("gasgi [OPTIONS] [APP_MODULE]", "gasgi top [ADDRESS]", "gasgi --report", "gasgi --show-settings"):
        assert way in usage


def test_help_fits_100_columns(help_lines):
    assert max(map(len, help_lines)) <= 100


def test_help_has_no_markup(help_lines):
    text = "\n".join(help_lines)
    assert ":ref:" not in text
    assert "``" not in text


def test_help_ends_no_sentence_in_the_middle(help_lines):
    assert "The exit status is 0 if the configuration is correct" in " ".join(" ".join(help_lines).split())


def test_help_shows_defaults_as_a_flag_takes_them(help_lines):
    text = " ".join(" ".join(help_lines).split())
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


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("--gasgi-header-timout-s", "--gasgi-header-timeout-s"),
        ("--worker-clazz=x", "--worker-class"),
        ("--keepalive", "--keep-alive"),
        ("--show-setings", "--show-settings"),
        # What other servers call it.
        ("--host", "--bind HOST:PORT"),
        ("--timeout-keep-alive", "--keep-alive"),
        ("--ssl-certfile", "--certfile"),
    ],
)
def test_unknown_flag_names_the_nearest(directory, flag, nearest):
    done = run([*COMMAND, flag, "main:app"], directory)
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: unknown option {flag.partition('=')[0]}; did you mean {nearest}?\n")


def test_unknown_flag_that_resembles_none_is_named_alone(directory):
    done = run([*COMMAND, "--qqqqqqqq", "main:app"], directory)
    assert done.stderr.endswith("error: unknown option --qqqqqqqq\n")


def test_unknown_flag_in_gunicorn_cmd_args_names_the_nearest(directory):
    done = run([*COMMAND, "main:app"], directory, GUNICORN_CMD_ARGS="--wrokers 2")
    assert "unknown option --wrokers; did you mean --workers?" in done.stderr


def test_second_application_is_refused_as_such(directory):
    done = run([*COMMAND, "--check-config", "main:app", "-w", "1", "other:app"], directory)
    assert done.returncode == 2
    assert done.stderr.endswith("error: unexpected argument other:app\n")


def test_report_is_printed(directory):
    done = run([*COMMAND, "--report"], directory)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gasgi ")


def test_report_needs_nothing_else(directory):
    done = run([*COMMAND, "--report", "main:app"], directory)
    assert done.returncode == 2
    assert "--report" in done.stderr


@pytest.mark.parametrize(("old", "new"), [([], "--report"), (["--settings", "--workers", "3"], "--show-settings")])
def test_old_spelling_works_for_one_release_and_says_so_in_a_line(directory, old, new):
    done = run([sys.executable, "-m", "gasgi", *old], directory)
    assert done.returncode == 0
    assert done.stdout == run([*COMMAND, new, *old[1:]], directory).stdout
    assert len(done.stderr.splitlines()) == 1
    assert f"gasgi {new}" in done.stderr


def test_module_without_arguments_is_the_command_where_the_file_names_the_application(directory):
    (directory / "gunicorn.conf.py").write_text("wsgi_app = 'main:app'\ncheck_config = True\n")
    done = run([sys.executable, "-m", "gasgi"], directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_file_of_the_module_can_be_run_by_its_path(directory):
    """gunicorn's SIGUSR2 does so with what ``python -m gasgi`` started; its directory has a types.py."""
    done = run(
        [sys.executable, str(Path(compiled.__file__).with_name("__main__.py")), "--check-config", "main:app"], directory
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_shown_settings_name_a_misspelt_one(directory):
    done = run([*COMMAND, "--show-settings"], directory, GASGI_GCFREEZE="1")
    assert done.returncode == 1
    assert "GASGI_GC_FREEZE" in done.stdout


@pytest.mark.parametrize("number", ["1_0", "\u0663", "\uff11\uff10"])
@pytest.mark.parametrize("flag", ["--keep-alive", "--workers", "--gasgi-limit-concurrency", "--gasgi-header-timeout-s"])
def test_a_number_is_written_in_plain_digits(directory, flag, number):
    for command in ([*COMMAND, "--check-config"], [*COMMAND, "--show-settings"]):
        done = run([*command, flag, number, "main:app"], directory)
        assert done.returncode != 0
        assert number in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_missing_application_is_gunicorns_error(directory):
    done = run([*COMMAND, "--workers", "1"], directory)
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
        [*COMMAND, "--report"],
        [*COMMAND, "--show-settings"],
        [*COMMAND, "--version"],
        [*COMMAND, "--help"],
        [*COMMAND, "--print-config", "main:app"],
    ],
    ids=["report", "settings", "version", "help", "print-config"],
)
def test_a_reader_that_leaves_gets_no_traceback(directory, command):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(command, directory, stdout=writer)
    os.close(writer)
    # argparse passes over an error of its own writing; what Python holds back (without PYTHONUNBUFFERED) is ours.
    assert done.returncode in ((0, 141) if {"--help", "--version"} & set(command) else (141,))
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--certfile", "no.pem"], "certfile = 'no.pem': No such file or directory"),
        (["--certfile", "{cert}", "--keyfile", "no.pem"], "keyfile = 'no.pem': No such file or directory"),
        (["--certfile", "."], "certfile = '.': Is a directory"),
        (["--keyfile", "{key}"], "keyfile = '{key}' needs a certfile"),
        (
            ["--certfile", "{cert}", "--keyfile", "{key}", "--ca-certs", "no.pem"],
            "ca_certs = 'no.pem': No such file or directory",
        ),
    ],
)
def test_missing_file_of_tls_is_said_in_a_sentence(directory, certificates, arguments, sentence):
    arguments = [argument.format_map(vars(certificates)) for argument in arguments]
    done = run([*COMMAND, "--check-config", *arguments, "main:app"], directory)
    assert done.returncode == 1
    assert done.stderr == f"\nError: {sentence.format_map(vars(certificates))}\n\n"


@pytest.mark.parametrize(
    "start", [COMMAND, [sys.executable, "-m", "gunicorn", "-k", "gasgi.Worker"]], ids=["gasgi", "gunicorn"]
)
@pytest.mark.parametrize("option", ["certfile", "keyfile"])
def test_missing_file_of_tls_is_said_in_a_sentence_at_the_boot(directory, certificates, start, option):
    files = {"certfile": certificates.cert, option: "no.pem"}
    arguments = [word for name, path in files.items() for word in (f"--{name}", path)]
    done = run([*start, "--bind", "127.0.0.1:0", *arguments, "main:app"], directory)
    assert done.returncode == 1
    assert f"Error: {option} = 'no.pem': No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_knows_what_the_environment_will_be(directory):
    done = run([*COMMAND, "--check-config", "--env", "GASGI_HEADER_TIMEOUT_S=never", "main:app"], directory)
    assert done.returncode == 1
    assert "GASGI_HEADER_TIMEOUT_S" in done.stderr


def test_check_config_leaves_other_worker_classes_alone(directory):
    assert run([*COMMAND, "--check-config", "-k", "sync", "main:app"], directory).returncode == 0
