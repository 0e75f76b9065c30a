"""The content-length of an answer, on whatever wire: what it says, and that the application keeps to it."""

from __future__ import annotations

from gasgi.errors import ASGIMisuse

__all__ = ["content_length_of", "take_length"]

LENGTH_DIGITS = 18  # the most digits that fit a signed 64-bit number
ZERO = 0x30
NINE = 0x39


def content_length_of(value: bytes) -> int:
    """Return the number that a content-length field says (RFC 9110, 8.6); raise ASGIMisuse when it is none."""
    number = 0
    if 0 < len(value) <= LENGTH_DIGITS:
        for digit in value:
            if digit < ZERO or digit > NINE:
                break
            number = number * 10 + digit - ZERO
        else:
            return number
    raise ASGIMisuse(f"content-length must be a number, not {value!r}")


def take_length(left: int, size: int, more: bool) -> int:
    """Return what of the content-length is left after ``size`` bytes; raise ASGIMisuse before a wrong byte leaves."""
    left -= size
    if left < 0:
        raise ASGIMisuse(f"the response body is {-left} bytes longer than its content-length")
    if left and not more:
        raise ASGIMisuse(f"the response body is {left} bytes shorter than its content-length")
    return left
