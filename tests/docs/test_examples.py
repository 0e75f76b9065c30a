"""What the documentation shows is run: applications, configuration files, commands, servers; what it names exists."""

from __future__ import annotations

import asyncio
import configparser
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gunicorn import config
from gunicorn.app.base import Application

from gasgi.gunicorn_rules import check_gunicorn_settings
from gasgi.reporting.metrics import Collector
from gasgi.reporting.scoreboard import Scoreboard
from gasgi.reporting.slot_layout import SLOT_NUMBERS
from gasgi.setting_sources import load_settings
from gasgi.settings import SETTINGS
from tests.support.programs import find_program

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
OWN_NAMES = {setting.name for setting in SETTINGS if setting.is_own}
FLAGS = {flag for setting in config.KNOWN_SETTINGS for flag in setting.cli or ()}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


class Block(NamedTuple):
    """A fenced piece of a page."""

    page: str
    line: int
    language: str
    title: str
    text: str


def read_blocks() -> list[Block]:
    blocks = []
    for path in PAGES:
        text = path.read_text()
        for match in FENCE.finditer(text):
            title = re.search(r'title="([^"]+)"', match[3])
            code = "\n".join(line.removeprefix(match[1]) for line in match[4].splitlines()) + "\n"
            line = text.count("\n", 0, match.start()) + 1
            blocks.append(Block(path.name, line, match[2], title[1] if title else "", code))
    return blocks


BLOCKS = read_blocks()


def blocks(*languages: str, title: str | None = None) -> Any:
    chosen = [block for block in BLOCKS if block.language in languages and (title is None or title == block.title)]
    assert chosen
    return pytest.mark.parametrize("block", chosen, ids=lambda block: f"{block.page}:{block.line}")


def run(code: str, name: str) -> dict[str, Any]:
    module = types.ModuleType(name)
    exec(compile(code, name, "exec"), module.__dict__)
    return vars(module)


def test_every_kind_of_block_is_known():
    kinds = {block.language for block in BLOCKS}
    assert kinds <= {
        "python",
        "sh",
        "console",
        "text",
        "nginx",
        "ini",
        "yaml",
        "json",
        "haproxy",
        "dockerfile",
        "toml",
        "apache",
    }


def test_examples_fit_a_window_of_1280_pixels():
    """Output wraps (docs/site.css), code scrolls; a page of this width shows 86 characters."""
    written = [block for block in BLOCKS if block.language not in ("text", "json", "console")]
    long_lines = [
        f"{block.page}:{block.line}: {line}" for block in written for line in block.text.splitlines() if len(line) > 86
    ]
    assert [line for line in long_lines if not line.startswith(("README.md", "CONTRIBUTING.md"))] == []


@blocks("python", title="gunicorn.conf.py")
def test_configuration_files_are_ones_that_gunicorn_and_gasgi_take(block):
    names = run(block.text, "__config__")
    cfg = config.Config()
    module = types.ModuleType("__config__")
    for name, value in names.items():
        if name.startswith("__") or isinstance(value, types.ModuleType):
            continue
        setattr(module, name, value)
        if not name.startswith("gasgi_"):
            assert name in cfg.settings, name
            cfg.set(name, value)
    assert check_gunicorn_settings(cfg) == []
    settings = load_settings(cfg, module, {})
    for name in OWN_NAMES & names.keys():
        value = tuple(names[name]) if isinstance(names[name], list) else names[name]
        assert getattr(settings, name.removeprefix("gasgi_")) == value


class Conversation:
    """Plays the server for one application call."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self._events = list(events)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return self._events.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def test_the_first_application_answers():
    (block,) = [block for block in BLOCKS if block.title == "main.py" and block.page == "index.md"]
    talk = Conversation()
    asyncio.run(run(block.text, "main")["app"]({"type": "http"}, talk.receive, talk.send))
    assert [message["type"] for message in talk.sent] == ["http.response.start", "http.response.body"]
    assert (b"content-length", b"%d" % len(talk.sent[1]["body"])) in talk.sent[0]["headers"]


def test_the_echo_echoes():
    (block,) = [block for block in BLOCKS if block.title == "echo.py"]
    talk = Conversation(
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hello"},
        {"type": "websocket.receive", "bytes": b"\0"},
        {"type": "websocket.disconnect", "code": 1000},
    )
    asyncio.run(run(block.text, "echo")["app"]({"type": "websocket"}, talk.receive, talk.send))
    assert talk.sent[1:] == [{"type": "websocket.send", "text": "hello"}, {"type": "websocket.send", "bytes": b"\0"}]


@blocks("python")
def test_python_compiles(block):
    compile(block.text, block.page, "exec")


class _Arguments(Application):
    """gunicorn's reading of a command line, and nothing of what comes after it."""

    def init(self, parser: object, opts: object, args: object) -> None: ...

    def load(self) -> None: ...


def commands() -> list[tuple[Block, list[str]]]:
    found = []
    for block in BLOCKS:
        if block.language in ("sh", "console"):
            text = block.text.replace("\\\n", " ")
            for line in text.replace(" && ", "\n").splitlines():
                line = line.removeprefix("$ ")
                if line.strip() and not line.startswith("#"):
                    found.append((block, shlex.split(line, comments=True)))
    return found


# What the examples of systemd units and shells may call besides; each is looked at where it says something of gasgi.
OTHERS = (
    "pip",
    "make",
    "wrk",
    "ss",
    "top",
    "kill",
    "systemctl",
    "nginx",
    "curl",
    "docker",
    "git",
    "cd",
    "export",
    "sudo",
    "kubectl",
    "gcloud",
    "heroku",
    "aws",
    "uvicorn",
)


@pytest.mark.parametrize("found", commands(), ids=lambda found: f"{found[0].page}:{' '.join(found[1])[:60]}")
def test_commands_are_ones_that_work(found, monkeypatch, tmp_path):
    _, words = found
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name = words.pop(0).split("=")[0]
        assert not name.startswith("GASGI_") or name == "GASGI_EXTENSIONS" or name.lower() in OWN_NAMES
    if words[:3] in (["python", "-m", "gasgi"], ["python3", "-m", "gasgi"]):
        words = ["gasgi", *words[3:]]
    words = [word for word in words if word != "--show-settings"]
    if words[0] in ("gunicorn", "gasgi"):
        if {"--help", "--version", "--report"} & set(words):
            return
        from gasgi.command_line import register_settings

        if words[0] == "gasgi":
            monkeypatch.setattr(config, "KNOWN_SETTINGS", list(config.KNOWN_SETTINGS))
            register_settings()
        (tmp_path / "gunicorn.conf.py").write_text("")
        monkeypatch.chdir(tmp_path)
        arguments = [word for word in words[1:] if word != "-c" and not word.endswith(".conf.py")]
        cfg = config.Config()
        parser = cfg.parser()
        options, rest = parser.parse_known_args(arguments)
        unknown = [word for word in rest if word.startswith("-")]
        assert unknown == []
        for name, value in vars(options).items():
            if value is not None and name != "args" and name in cfg.settings and name != "chdir":
                cfg.set(name.lower(), value)
    elif words[0] == "make":
        assert [word for word in words[1:] if "=" not in word and word not in TARGETS] == []
    elif words[0] in ("python", "python3"):
        assert (ROOT / words[1]).exists() or words[1] == "-m"
    else:
        assert words[0] in OTHERS or words[0].endswith("/pip"), words[0]


@pytest.mark.needs_program("nginx")
def test_nginx_takes_its_examples(tmp_path):
    """The examples of all pages at once in one nginx, each server on a port of its own."""
    nginx = find_program("nginx")
    for number, block in enumerate(block for block in BLOCKS if block.language == "nginx"):
        directory = tmp_path / str(number)
        directory.mkdir()
        text = re.sub(r"listen\s+[^;]*;", f"listen 127.0.0.1:{18080 + number};", block.text)
        text = re.sub(
            r"^\s*(ssl_certificate|ssl_certificate_key|http2|http3|quic_\w+)\s[^;]*;", "", text, flags=re.MULTILINE
        )
        if "server {" not in text:
            text = f"server {{ listen 127.0.0.1:{18080 + number}; {text} }}"
        # A part of a configuration uses what the whole one of its page defines.
        if "proxy_pass http://app" in text and "upstream app" not in text:
            text = f"upstream app {{ server 127.0.0.1:8000; }}\n{text}"
        if "$connection_upgrade" in text and "map $http_upgrade" not in text:
            text = f"map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}\n{text}"
        conf = directory / "nginx.conf"
        conf.write_text(
            f"pid {directory}/pid; error_log {directory}/error.log; events {{ }}\n"
            f"http {{ access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;"
            f" fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;\n"
            f"{text}\n}}\n"
        )
        done = subprocess.run([nginx, "-t", "-p", directory, "-c", conf], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.page}:{block.line}\n{done.stderr}"


def test_units_are_ones_that_a_parser_takes():
    for block in BLOCKS:
        if block.language == "ini":
            parser = configparser.ConfigParser(strict=False, interpolation=None)
            parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys of systemd have capitals
            parser.read_string(block.text)
            assert parser.sections(), f"{block.page}:{block.line}"


def metric_names() -> set[str]:
    families = Collector(Scoreboard(bytearray(2 * SLOT_NUMBERS * 8)), (1.0,), list).collect()
    return {name for family in families for name in (family.name, family.name + "_total", family.name + "_bucket")}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_settings_that_are_named_exist(path):
    text = path.read_text()
    named = set(re.findall(r"\b(gasgi_[a-z_]+[a-z])\b", text))
    assert named <= OWN_NAMES | metric_names()
    variables = {name.lower() for name in re.findall(r"\b(GASGI_[A-Z_]+[A-Z])\b", text)}
    assert variables <= OWN_NAMES | {"gasgi_extensions", "gasgi_port", "gasgi_service_host"}


def named_flags(path: Path) -> set[str]:
    text = FENCE.sub("", path.read_text())
    if path.name in ("migration.md", "uvicorn.md"):
        # The first column is about the flags of others.
        text = "\n".join(line.split("|", 2)[-1] for line in text.splitlines() if "|" in line)
    return set(re.findall(r"`(?:gunicorn |gasgi )?(--[a-z][a-z0-9_-]+)", text))


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.name not in ("README.md", "CONTRIBUTING.md")], ids=lambda path: path.name
)
def test_flags_that_are_named_exist(path):
    own = {setting.flag for setting in SETTINGS if setting.is_own}
    # "--only" is benchmarks/tuning/run.py's, some are those of platforms; gunicorn before 27 lacks the others.
    platforms = {"--concurrency", "--stop-timeout", "--use-http2"}
    elsewhere = platforms | {
        "--help",
        "--version",
        "--report",
        "--show-settings",
        "--only",
        "--pid",
        "--websocket-max-message-size",
    }
    assert named_flags(path) - FLAGS - own - elsewhere == set()


def test_tests_that_are_named_exist():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    assert len(named) > 30
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named - set(re.findall(r"def (test_\w+)", tests)) == set()


def test_every_bound_has_a_test():
    rows = [line.split("|") for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line[:1] == "|"]
    assert len(rows) > 30
    untested = [row[1].strip() for row in rows if not (row[4].strip() or row[2].strip().startswith("none"))]
    assert untested == []


def test_navigation_names_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert set(re.findall(r": ([a-z0-9-]+\.md)$", text, re.MULTILINE)) == pages


def test_the_experiments_ask_what_the_example_answers():
    """The example of the tuning guide imports, and its endpoints are those that are loaded."""
    code = "import main; print(*sorted(route.path for route in main.app.routes))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "examples" / "slow", capture_output=True, text=True, check=True
    )
    experiments = (ROOT / "benchmarks" / "tuning" / "experiments.py").read_text()
    asked = set(re.findall(r'(?:path|beside)="(/[a-z]*)', experiments)) | {"/"}
    assert asked <= set(done.stdout.split())


def test_numbers_of_the_readme_are_those_of_the_newest_results():
    code = "import readme_results as r; import sys; sys.exit(r.part() != r.written())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", check=False)
    assert done.returncode == 0, "run python scripts/readme_results.py"
