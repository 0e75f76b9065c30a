"""What is made of an exception of an application: does it only tell that the client left, and what of it is logged?"""

from __future__ import annotations

import io
import logging

import pytest

from gasgi.app_errors import (
    comes_from_departure,
    describe_exception,
    format_exception,
    is_printable,
    log_exception,
)
from gasgi.errors import ClientDisconnected
from tests.support.odd_errors import (
    ODD,
    Attributeless,
    Group,
    Raising,
    Truthless,
    caused_by,
    chain_of_wrappers,
    chained,
    endless,
    group,
    nested,
)

LEFT = ClientDisconnected("left")


@pytest.mark.parametrize("exc", [LEFT, caused_by(LEFT), Group([LEFT, LEFT]), Group((Group((caused_by(LEFT),)),))])
def test_tells_that_the_client_left(exc):
    assert comes_from_departure(exc)


@pytest.mark.parametrize(
    "exc",
    [
        None,
        ValueError(),
        caused_by(ValueError()),
        Group([LEFT, ValueError()]),
        Group([]),
        Group(5),
        Group("text"),
        Group([LEFT, "text"]),
        Raising(),
        endless(),
        Group([LEFT] * 1000),
        Truthless(),
        Attributeless(),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_is_a_failure_of_the_apps_own(exc):
    assert not comes_from_departure(exc)


def log_of(exc: BaseException) -> str:
    """Return what a logger of Python's own makes of ``exc``, raised and caught."""
    stream = io.StringIO()
    logger = logging.Logger("test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logger.addHandler(handler)
    try:
        raise exc
    except BaseException as caught:
        log_exception(logger, caught, "Exception in %s", "the app")
    return stream.getvalue()


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_logs_an_odd_exception_once_and_goes_on(make, capsys):
    exc = make()
    name = type(exc).__name__
    text = log_of(exc)
    assert text.startswith("[ERROR] Exception in the app\n")
    assert text.count("[ERROR]") == 1
    assert name in text
    assert "in log_of" in text, "without its traceback"
    assert len(text) < 100_000
    assert capsys.readouterr().err == "", "the logging failed"
    assert describe_exception(exc).startswith(name)
    assert name in format_exception(exc)


def test_shows_the_members_and_causes_of_what_python_cannot_print():
    text = log_of(group([nested(100), caused_by(chained(3))]))
    assert "Member of the group: ValueError: wrapped" in text
    assert "Caused by: ValueError: wrapped" in text
    assert "Further exceptions are not shown" in text


@pytest.mark.parametrize(
    "exc",
    [
        ValueError(),
        caused_by(KeyError()),
        group([ValueError()] * 50),
        nested(9),
        chain_of_wrappers(50),
        SyntaxError("x"),
    ],
    ids=repr,
)
def test_leaves_an_ordinary_exception_to_python(exc):
    assert is_printable(exc)
    assert "Traceback (most recent call last)" in log_of(exc)
