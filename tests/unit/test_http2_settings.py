"""gunicorn's settings of HTTP/2, read as gunicorn reads them."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest
from gunicorn.config import Config

from gasgi.errors import SettingError
from gasgi.setting_sources import load_settings
from gasgi.settings import Settings


def load(**written: object) -> Settings:
    """Load from a file that this gunicorn, which does not know the names, has passed over."""
    file = ModuleType("__config__")
    vars(file).update(written)
    return load_settings(SimpleNamespace(), file, {})


@pytest.mark.parametrize(
    ("text", "protocols"),
    [
        ("h1", ("h1",)),
        ("h2,h1", ("h2", "h1")),
        (" H1 , h2,", ("h1", "h2")),
        ("", ("h1",)),
        (["h2"], ("h2",)),
    ],
)
def test_protocols_are_named_in_the_order_of_preference(text, protocols):
    assert load(http_protocols=text).http_protocols == protocols


@pytest.mark.parametrize("value", ["h3", "h2,h2", "http/1.1", 2, [1]])
def test_other_protocols_are_refused(value):
    with pytest.raises(SettingError, match="http_protocols = "):
        load(http_protocols=value)


@pytest.mark.parametrize(
    ("value", "mechanism"),
    [
        ("off", "off"),
        (" Prior-Knowledge ", "prior-knowledge"),
        ("upgrade", "upgrade"),
        ("Both", "both"),
        (True, "prior-knowledge"),
        (False, "off"),
    ],
)
def test_cleartext_is_off_or_a_mechanism(value, mechanism):
    assert load(http2_cleartext=value).http2_cleartext == mechanism


@pytest.mark.parametrize("value", ["h2c", "", 1])
def test_another_mechanism_is_refused(value):
    with pytest.raises(SettingError, match=r"http2_cleartext = .* must be one of off, prior-knowledge, upgrade, both"):
        load(http2_cleartext=value)


@pytest.mark.parametrize(
    ("name", "field", "low", "high"),
    [
        ("http2_max_concurrent_streams", "http2_max_streams", 1, 2**31 - 1),
        ("http2_initial_window_size", "http2_window_bytes", 1, 2**31 - 1),
        ("http2_max_frame_size", "http2_max_frame_bytes", 16384, 2**24 - 1),
        ("http2_max_header_list_size", "http2_max_list_bytes", 1, 2**20),
    ],
)
def test_numbers_have_the_range_of_the_protocol(name, field, low, high):
    for value in (low, high):
        assert getattr(load(**{name: value}), field) == value
    for value in {low - 1, high + 1} - ({0} if field == "http2_max_list_bytes" else set()):
        with pytest.raises(SettingError, match=f"{name} = {value} "):
            load(**{name: value})
    if field == "http2_max_list_bytes":
        assert getattr(load(**{name: 0}), field) == 2**20


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("http_protocols", "h2,h1", "http_protocols", ("h2", "h1")),
        ("http2_cleartext", True, "http2_cleartext", "prior-knowledge"),
        ("http2_max_concurrent_streams", "9", "http2_max_streams", 9),
    ],
)
def test_gunicorns_own_values_are_taken(name, text, field, value):
    cfg = Config()
    if name in cfg.settings:  # since 25.0 or 26.2
        cfg.set(name, text)
    else:
        setattr(cfg, name, text)
    assert getattr(load_settings(cfg, None, {}), field) == value
