"""Make what a client wrote fit to stand in a log line, between double quotes too, so that it can forge nothing.

Text in, text out. Whatever goes into a log line and came over the wire passes through here.
"""

from __future__ import annotations

__all__ = ["quote"]


def quote(text: str) -> str:
    """Return ``text`` with an escape for each backslash, double quote and character that does not print."""
    for letter in text:
        if not " " <= letter <= "~" or letter == '"' or letter == "\\":
            return "".join(map(_escape, text))
    return text


def _escape(letter: str) -> str:
    if letter == '"' or letter == "\\":
        return "\\" + letter
    # Terminals act on C0, DEL and C1; readers of logs take U+2028 for the end of a line and follow the marks that turn
    # the direction of writing.
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
