"""gunicorn's settings that gasgi refuses or warns about."""

from __future__ import annotations

import re
from types import ModuleType, SimpleNamespace

import pytest
from gunicorn.config import Config

from gasgi.errors import SettingError
from gasgi.gunicorn_rules import check_gunicorn_settings


def test_untouched_gunicorn_passes_without_a_warning():
    assert check_gunicorn_settings(Config()) == []


def test_older_gunicorn_without_a_setting_passes():
    assert check_gunicorn_settings(SimpleNamespace()) == []


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("protocol", "uwsgi", "proxy_pass"),
        ("strip_header_spaces", True, "RFC 9112, 5.1"),
        ("permit_obsolete_folding", True, "RFC 9112, 5.2"),
        ("access_log_format", "%(h)", "incomplete format|stray %"),  # the second is Python 3.15's
        ("access_log_format", "%(s)d", "number is required|requires a real number"),
    ],
)
def test_refusal_names_the_setting_and_the_way_out(name, value, instead):
    with pytest.raises(SettingError, match=instead) as caught:
        check_gunicorn_settings(SimpleNamespace(**{name: value}))
    assert str(caught.value).startswith(f"{name} = {value!r}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 2),
        ("http_parser", "fast"),
        ("http_parser", "python"),
        ("uwsgi_allow_ips", ["*"]),
        ("tmp_upload_dir", "/tmp"),
        ("do_handshake_on_connect", True),
        ("suppress_ragged_eofs", False),
    ],
)
def test_setting_without_effect_gives_one_warning(name, value):
    (warning,) = check_gunicorn_settings(SimpleNamespace(**{name: value}))
    assert warning.startswith(f"{name} = {value!r}: has no effect")


def test_a_setting_that_gunicorn_does_not_have_yet_is_looked_for_in_the_file():
    file = ModuleType("__config__")
    file.strip_header_spaces = True
    with pytest.raises(SettingError, match="strip_header_spaces"):
        check_gunicorn_settings(SimpleNamespace(), file)
    # What gunicorn knows, it has read from the file itself.
    assert check_gunicorn_settings(SimpleNamespace(strip_header_spaces=False), file) == []


def test_accepts_a_format_with_numbers_and_widths():
    assert check_gunicorn_settings(SimpleNamespace(access_log_format="%(D)d %(T)05d %(s)6s 100%% %({x}i)s")) == []


@pytest.mark.parametrize(
    ("protocols", "cleartext", "is_ssl", "sentence"),
    [
        (["h2", "h1"], "off", False, "http_protocols = .* needs http2_cleartext"),
        (["h2", "h1"], "off", True, None),
        (["h2", "h1"], "prior-knowledge", False, None),
        (["h2", "h1"], "prior-knowledge", True, None),
        (["h1"], "prior-knowledge", False, "http2_cleartext = 'prior-knowledge': has no effect"),
        (["h1"], True, True, "http2_cleartext = True: has no effect"),
        (["h1"], "off", False, None),
        (None, True, False, "http2_cleartext = True: has no effect"),
    ],
)
def test_http2_that_nobody_can_speak_gives_a_warning(protocols, cleartext, is_ssl, sentence):
    file = ModuleType("__config__")
    file.http2_cleartext = cleartext
    if protocols is not None:
        file.http_protocols = protocols
    warnings = check_gunicorn_settings(SimpleNamespace(is_ssl=is_ssl), file)
    assert [bool(re.search(sentence or "", warning)) for warning in warnings] == [True] * (sentence is not None)
