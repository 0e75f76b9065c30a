"""What a client wrote can forge no log line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasgi.quoting import quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", ""),
        ("/items?a=1&b=%22 ~", "/items?a=1&b=%22 ~"),
        ("/Größe/日本", "/Größe/日本"),
        ('a"b', 'a\\"b'),
        ("a\\b", "a\\\\b"),
        ('\\"', '\\\\\\"'),
        ("a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
        ("\x1b[31m\x7f", "\\x1b[31m\\x7f"),
        ("\x80\x85\x9b\x9f", "\\x80\\x85\\x9b\\x9f"),
        ("\u2028\u2029\u202e\ufeff", "\\u2028\\u2029\\u202e\\ufeff"),
        ("\ud800\U000e0001", "\\ud800\\U000e0001"),
    ],
)
def test_what_does_not_print_and_what_ends_a_quote_is_escaped(text, quoted):
    assert quote(text) == quoted


@given(st.text())
def test_any_text_stays_in_its_quotes_and_in_its_line(text):
    quoted = quote(text)
    assert quoted.isprintable()
    assert len(f'"{quoted}"'.splitlines()) == 1
    # Nothing ends the quote before its time, and every text can be told from every other.
    position = 0
    while position < len(quoted):
        assert quoted[position] != '"'
        position += 2 if quoted[position] == "\\" else 1
    assert position == len(quoted)
    quoted.encode("utf-8")
