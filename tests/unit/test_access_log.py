"""How access log lines reach gunicorn's handlers: the cheapest way that writes the same."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger, SafeAtoms
from hypothesis import given
from hypothesis import strategies as st

from gasgi.access_json import json_format
from gasgi.access_log import AccessLog, QuotedAtoms
from gasgi.gunicorn_view import RequestView, ResponseView
from tests.support.fake_head import FakeHead

REQUEST = RequestView(FakeHead(b"/a?b=1", [(b"user-agent", b'x"y')]), ("192.0.2.1", 50000), ("192.0.2.2", 8000), "http")
RESPONSE = ResponseView(200, [(b"content-type", b"text/plain")], 12, 0.25)
FORMAT = '%(h)s "%(r)s" %(s)s %(b)s "%(a)s" %(D)s'
LINE = '192.0.2.1 "GET /a?b=1 HTTP/1.1" 200 12 "x\\"y" 250000'


class JsonFormatter(logging.Formatter):
    """What users of JSON logs write: it reads the atoms."""

    def format(self, record: logging.LogRecord) -> str:
        atoms: Any = record.args
        return json.dumps({"status": atoms["s"], "agent": atoms["a"], "type": atoms["{content-type}o"]})


@pytest.fixture
def access_logger():
    """gunicorn's access logger, left as it was found."""
    logger = logging.getLogger("gunicorn.access")
    before = logger.handlers[:], logger.level, logger.propagate, logger.disabled, logger.filters[:]
    logger.handlers[:] = []
    yield logger
    logger.handlers[:], level, logger.propagate, logger.disabled, logger.filters[:] = before
    logger.setLevel(level)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "access.log"


def gunicorn_logger(path: Path | str, **settings: Any) -> Logger:
    cfg = Config()
    cfg.set("accesslog", str(path))
    cfg.set("access_log_format", FORMAT)
    for name, value in settings.items():
        cfg.set(name, value)
    logging.getLogger("gunicorn.access").handlers[:] = []  # pytest's own, which capture what does not propagate
    return Logger(cfg)


def stream_handler(fmt: str | None = "%(message)s", **attributes: Any) -> tuple[logging.Handler, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    if fmt is not None:
        handler.setFormatter(logging.Formatter(fmt))
    return handler, stream


def test_plain_file_gets_the_line_directly(access_logger, path):
    log = AccessLog(gunicorn_logger(path), FORMAT)
    assert log.way == "direct"
    log.write(REQUEST, RESPONSE)
    log.write(REQUEST, RESPONSE)
    assert path.read_text() == LINE + "\n" + LINE + "\n"


def test_line_is_in_the_file_when_write_returns(access_logger, path):
    log = AccessLog(gunicorn_logger(path), FORMAT)
    log.write(REQUEST, RESPONSE)
    assert path.read_bytes() == LINE.encode() + b"\n"


def test_file_reopened_after_rotation_gets_the_next_line(access_logger, path):
    logger = gunicorn_logger(path)
    log = AccessLog(logger, FORMAT)
    log.write(REQUEST, RESPONSE)
    path.rename(path.with_suffix(".1"))
    logger.reopen_files()  # what USR1 does
    log.write(REQUEST, RESPONSE)
    assert path.read_text() == LINE + "\n"


def test_time_is_the_local_time_of_the_second(access_logger, path, monkeypatch):
    now = [1_776_859_200.25]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.strftime", lambda text: f"{text}@{now[0]:.2f}")
    log = AccessLog(gunicorn_logger(path), "%(t)s")
    for moment in (1_776_859_200.25, 1_776_859_200.99, 1_776_859_201.0):
        now[0] = moment
        log.write(REQUEST, RESPONSE)
    first, second, third = path.read_text().splitlines()
    assert first == second == "[%d/%b/%Y:%H:%M:%S %z]@1776859200.25"
    assert third == "[%d/%b/%Y:%H:%M:%S %z]@1776859201.00"


def test_two_handlers_get_one_record_each(access_logger, path):
    logger = gunicorn_logger(path)
    handler, stream = stream_handler("[%(levelname)s] %(name)s %(message)s")
    access_logger.addHandler(handler)
    log = AccessLog(logger, FORMAT)
    assert log.way == "record"
    log.write(REQUEST, RESPONSE)
    assert path.read_text() == LINE + "\n"
    assert stream.getvalue() == f"[INFO] gunicorn.access {LINE}\n"


def test_handlers_of_the_root_logger_are_reached_when_records_propagate(access_logger):
    handler, stream = stream_handler()
    logging.root.addHandler(handler)
    try:
        logger = gunicorn_logger("-", accesslog=None, logconfig_dict={"version": 1, "root": {"level": "INFO"}})
        access_logger.handlers[:] = []
        access_logger.propagate = True
        logging.root.handlers[:], before = [handler], logging.root.handlers[:]
        AccessLog(logger, FORMAT).write(REQUEST, RESPONSE)
        logging.root.handlers[:] = before
    finally:
        logging.root.removeHandler(handler)
    assert stream.getvalue() == LINE + "\n"


def test_json_formatter_reads_the_atoms(access_logger):
    logger = gunicorn_logger("-")
    handler, stream = stream_handler(None)
    handler.setFormatter(JsonFormatter())
    access_logger.handlers[:] = [handler]
    log = AccessLog(logger, FORMAT)
    assert log.way == "exact"
    log.write(REQUEST, RESPONSE)
    assert json.loads(stream.getvalue()) == {"status": "200", "agent": 'x\\"y', "type": "text/plain"}


def test_formatter_that_names_args_or_the_caller_gets_gunicorns_record(access_logger):
    logger = gunicorn_logger("-")
    handler, stream = stream_handler("%(funcName)s %(message)s")
    access_logger.handlers[:] = [handler]
    log = AccessLog(logger, FORMAT)
    assert log.way == "exact"
    log.write(REQUEST, RESPONSE)
    assert stream.getvalue() == f"access {LINE}\n"


@pytest.mark.parametrize("place", ["logger", "handler"])
def test_filter_sees_the_atoms_and_can_drop_the_line(access_logger, place):
    logger = gunicorn_logger("-")
    handler, stream = stream_handler()
    access_logger.handlers[:] = [handler]
    seen = []

    def only_errors(record: logging.LogRecord) -> bool:
        seen.append(record.args["s"])
        return False

    (access_logger if place == "logger" else handler).addFilter(only_errors)
    try:
        log = AccessLog(logger, FORMAT)
        assert log.way == "exact"
        log.write(REQUEST, RESPONSE)
    finally:
        access_logger.filters[:] = []
    assert seen == ["200"]
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda logger, handler: handler.addFilter(lambda record: False),
        lambda logger, handler: handler.setLevel(logging.ERROR),
        lambda logger, handler: handler.setFormatter(logging.Formatter("%(name)s")),
        lambda logger, handler: logger.addFilter(lambda record: False),
        lambda logger, handler: logger.setLevel(logging.ERROR),
        lambda logger, handler: logger.removeHandler(handler),
        lambda logger, handler: setattr(logger, "disabled", True),
    ],
)
def test_change_within_the_second_is_noticed(access_logger, monkeypatch, change):
    monkeypatch.setattr("time.time", lambda: 1_776_859_200.0)
    logger = gunicorn_logger("-")
    handler, stream = stream_handler()
    access_logger.handlers[:] = [handler]
    log = AccessLog(logger, FORMAT)
    log.write(REQUEST, RESPONSE)
    assert stream.getvalue() == LINE + "\n"
    change(access_logger, handler)
    log.write(REQUEST, RESPONSE)
    assert stream.getvalue() in (LINE + "\n", LINE + "\ngunicorn.access\n")


def test_handler_added_within_the_second_gets_the_line(access_logger, monkeypatch, path):
    monkeypatch.setattr("time.time", lambda: 1_776_859_200.0)
    log = AccessLog(gunicorn_logger(path), FORMAT)
    log.write(REQUEST, RESPONSE)
    handler, stream = stream_handler()
    access_logger.addHandler(handler)
    log.write(REQUEST, RESPONSE)
    assert stream.getvalue() == LINE + "\n"
    assert path.read_text() == LINE + "\n" + LINE + "\n"


def test_logging_switched_off_for_the_level_writes_nothing(access_logger, path):
    log = AccessLog(gunicorn_logger(path), FORMAT)
    logging.disable(logging.INFO)
    try:
        log.write(REQUEST, RESPONSE)
    finally:
        logging.disable(logging.NOTSET)
    assert path.read_text() == ""


def test_record_factory_of_the_user_gets_gunicorns_record(access_logger, path):
    logger = gunicorn_logger(path)
    made = []
    factory = logging.getLogRecordFactory()

    def recording(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made.append(args)
        return factory(*args, **kwargs)

    logging.setLogRecordFactory(recording)
    try:
        AccessLog(logger, FORMAT).write(REQUEST, RESPONSE)
    finally:
        logging.setLogRecordFactory(factory)
    assert len(made) == 1
    assert path.read_text() == LINE + "\n"


def test_format_that_cannot_be_compiled_is_left_to_gunicorn(access_logger, path):
    log = AccessLog(gunicorn_logger(path, access_log_format="%(h)s %({a(b)}i)s"), "%(h)s %({a(b)}i)s")
    assert log.way == "exact"
    log.write(REQUEST, RESPONSE)
    assert path.read_text() == "192.0.2.1 -\n"


def test_logger_that_makes_its_own_atoms_is_asked(access_logger, path):
    class Loud(Logger):
        def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
            return {**super().atoms(resp, req, environ, request_time), "h": "somewhere"}

    cfg = gunicorn_logger(path).cfg
    cfg.set("access_log_format", "%(h)s")
    AccessLog(Loud(cfg), "%(h)s", is_exact=True).write(REQUEST, RESPONSE)
    assert path.read_text() == "somewhere\n"


def test_stream_that_fails_is_reported_by_its_handler(access_logger, capsys):
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("disk full")

    logger = gunicorn_logger("-")
    access_logger.handlers[:] = [logging.StreamHandler(Broken())]
    log = AccessLog(logger, FORMAT)
    assert log.way == "direct"
    log.write(REQUEST, RESPONSE)
    assert "disk full" in capsys.readouterr().err


def test_syslog_gets_the_message_with_the_process_id(access_logger):
    sent = []

    class Recording(logging.handlers.SysLogHandler):
        def __init__(self) -> None:
            logging.Handler.__init__(self)

        def emit(self, record: logging.LogRecord) -> None:
            sent.append(self.format(record))

    logger = gunicorn_logger("-")
    handler = Recording()
    handler.setFormatter(logging.Formatter("[%(process)d] %(message)s"))
    access_logger.handlers[:] = [handler]
    AccessLog(logger, FORMAT).write(REQUEST, RESPONSE)
    assert len(sent) == 1
    assert sent[0].endswith("] " + LINE)


# What a client wrote, on the exact way


def test_gunicorns_own_way_quotes_too(access_logger):
    """A filter, which may look at the atoms, brings the line to gunicorn's own Logger.access."""
    logger = gunicorn_logger("-")
    handler, stream = stream_handler()
    access_logger.handlers[:] = [handler]
    handler.addFilter(lambda record: True)
    log = AccessLog(logger, FORMAT)
    assert log.way == "exact"
    log.write(RequestView(FakeHead(b"/", [(b"user-agent", b'\x9b31m\\"')]), None, None, "http"), RESPONSE)
    assert stream.getvalue() == '- "GET / HTTP/1.1" 200 12 "\\x9b31m\\\\\\"" 250000\n'


def test_quoted_atoms_are_looked_up_as_gunicorns():
    atoms = {"s": "200", "B": 7, "{host}i": "h"}
    gunicorns, ours = SafeAtoms(atoms), QuotedAtoms(atoms)
    for name in ("s", "B", "{host}i", "{HOST}i", "{nothing}o", "Z"):
        assert ours[name] == gunicorns[name]


def test_atoms_class_of_the_users_own_is_left_alone(access_logger, path):
    class Atoms(SafeAtoms):
        pass

    class Own(Logger):
        atoms_wrapper_class = Atoms

    cfg = Config()
    cfg.set("accesslog", str(path))
    log = Own(cfg)
    AccessLog(log, FORMAT, is_exact=True)
    assert log.atoms_wrapper_class is Atoms


# JSON

FIELDS = {
    "time": "2026-04-22T12:00:00Z",
    "client": "192.0.2.1",
    "method": "GET",
    "path": "/a",
    "query": "b=1",
    "protocol": "HTTP/1.1",
    "status": 200,
    "bytes": 12,
    "duration_s": 0.25,
    "referer": None,
    "user_agent": 'x"y',
    "pid": os.getpid(),
}


def test_json_has_its_fields_in_their_order(access_logger, path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_776_859_200.75)
    log = AccessLog(gunicorn_logger(path), FORMAT, is_json=True)
    log.write(REQUEST, RESPONSE)
    line = path.read_text()
    assert json.loads(line) == FIELDS
    assert list(json.loads(line)) == list(FIELDS)
    assert line.endswith("}\n")
    assert line.count("\n") == 1


def test_json_of_a_request_without_a_head_has_nulls(access_logger, path):
    log = AccessLog(gunicorn_logger(path), FORMAT, is_json=True)
    log.write(RequestView(None, ("192.0.2.1", 50000), None, "http"), ResponseView(400, [], 0, 0.0))
    told = json.loads(path.read_text())
    assert [told[name] for name in ("method", "path", "query", "protocol")] == [None] * 4
    assert (told["client"], told["status"]) == ("192.0.2.1", 400)


@pytest.mark.parametrize("way", ["direct", "record", "exact"])
def test_json_goes_all_three_ways(access_logger, path, way):
    logger = gunicorn_logger(path)
    second, stream = stream_handler()
    seen: list[Any] = []
    if way == "record":
        access_logger.addHandler(second)
    if way == "exact":
        access_logger.handlers[0].addFilter(lambda record: seen.append(record.args["{cookie}i"]) or True)
    log = AccessLog(logger, FORMAT, is_json=True)
    assert log.way == way
    view = RequestView(FakeHead(b"/100%25s?%s%(a)s", [(b"cookie", b"%s")], path="/100%s"), None, None, "http")
    log.write(view, RESPONSE)
    for text in (path.read_text(), *([stream.getvalue()] if way == "record" else [])):
        assert json.loads(text)["path"] == "/100%s"
        assert json.loads(text)["query"] == "%s%(a)s"
    assert seen == (["%s"] if way == "exact" else [])


def test_json_of_a_logger_class_with_atoms_of_its_own_gives_it_the_atoms(access_logger, path):
    class Own(Logger):
        def atoms(self, *args: Any) -> dict[str, Any]:
            return {**super().atoms(*args), "s": "two hundred"}

    cfg = Config()
    cfg.set("accesslog", str(path))
    logging.getLogger("gunicorn.access").handlers[:] = []
    AccessLog(Own(cfg), FORMAT, is_exact=True, is_json=True).write(REQUEST, RESPONSE)
    assert json.loads(path.read_text())["status"] == 200


@given(
    path=st.text(),
    query=st.binary(),
    referer=st.binary(),
    agent=st.binary(),
    duration_s=st.floats(0, 1e9),
    sent=st.integers(0, 2**62),
)
def test_json_is_valid_and_says_what_was_said_for_any_input(path, query, referer, agent, duration_s, sent):
    head = FakeHead(b"/?" + query, [(b"referer", referer), (b"user-agent", agent)], path=path)
    line = json_format().render(RequestView(head, None, None, "http"), ResponseView(200, [], sent, duration_s))
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert told["path"] == path
    assert told["query"] == query.decode("latin-1")
    assert (told["referer"], told["user_agent"]) == (referer.decode("latin-1"), agent.decode("latin-1"))
    assert (told["bytes"], told["duration_s"]) == (sent, pytest.approx(duration_s, abs=1e-6))
