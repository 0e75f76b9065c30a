"""What one setting is: its names, what may be written for it, and how that becomes a value.

Knows no setting in particular; ``settings`` lists them, with the functions below that describe a field.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from typing import Any, TypeVar

from gasgi.errors import SettingError
from gasgi.http2_settings import prepare_value

__all__ = [
    "DAY_S",
    "MOST_BUCKETS",
    "Setting",
    "deadline",
    "describe_field",
    "gunicorns",
    "own",
    "read_address",
    "read_buckets",
    "whole_number",
]

Value = TypeVar("Value")

DAY_S = 86_400
MOST_BUCKETS = 50
_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off"))
# int() and float() also read 1_0 as ten, and digits of every script.
_is_whole_number = re.compile(r"[+-]?[0-9]+").fullmatch
_is_number = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of ``Settings``, as a user meets it."""

    field: str
    name: str  # in gunicorn.conf.py
    is_own: bool
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    zero: int | None = None

    @property
    def variable(self) -> str:
        """Name in the environment."""
        return self.name.upper()

    @property
    def flag(self) -> str:
        """Option of the ``gasgi`` command."""
        return "--" + self.name.replace("_", "-")

    @property
    def range_text(self) -> str:
        """What may be written, for the tables."""
        if isinstance(self.default, bool):
            return "true, false"
        if self.choices:
            return "a list of " + ", ".join(self.choices)
        if self.low is None:
            return "text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g}" + (f" to {self.high:.0f}" if self.high is not None else "")

    def read(self, value: object, source: str) -> Any:
        """Turn what was written into the field's value; raise SettingError naming the setting and ``source``."""
        try:
            return self._check(_convert(prepare_value(self.name, value), self.default))
        except (TypeError, ValueError) as exc:
            raise SettingError(f"{self.name} = {value!r} ({source}): {exc}") from None

    def _check(self, value: Any) -> Any:
        if self.low is not None and value < self.low:
            raise ValueError(f"must be {self.range_text}")
        if self.high is not None and value > self.high:
            raise ValueError(f"must be {self.range_text}")
        if self.choices:
            for item in value:
                if item not in self.choices:
                    raise ValueError(f"{item!r} is not one of {', '.join(self.choices)}")
        if self.field == "root_path":
            value = value.rstrip("/")
            if value and not value.startswith("/"):
                raise ValueError("must begin with a slash")
        if self.field == "limit_request_field_bytes" and value == 1:
            raise ValueError("must be 2 or more, or 0: the end of the line counts")
        if self.field == "server_header" and not all(" " <= letter <= "~" for letter in value):
            raise ValueError("must be printable ASCII")
        if self.field == "metrics_bind" and value:
            read_address(value)
        if self.field == "metrics_buckets":
            read_buckets(value)
        if self.zero is not None and value == 0:
            return self.zero
        return value


def whole_number(text: str) -> int:
    """Read a whole number in the digits 0 to 9; raise ValueError for anything else."""
    if not _is_whole_number(text):
        raise ValueError("must be a whole number in the digits 0 to 9")
    return int(text)


def _convert(value: object, default: object) -> object:
    """Give ``value`` the type of ``default``; text is read as the environment writes it."""
    text = value.strip() if isinstance(value, str) else None
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        if text is not None and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError("must be true or false")
    if isinstance(default, int):
        if text is not None:
            return whole_number(text)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ValueError("must be a whole number")
    if isinstance(default, float):
        if isinstance(value, bool) or (text is None and not isinstance(value, (int, float))):
            raise ValueError("must be a number")
        if text is not None and not _is_number(text):
            raise ValueError("must be a number in the digits 0 to 9")
        number = float(text if text is not None else value)  # type: ignore[arg-type]  # the line above left numbers
        if not math.isfinite(number):
            raise ValueError("must be a finite number")
        return number
    if isinstance(default, tuple):
        return _convert_list(value, text)
    if text is None:
        raise ValueError("must be a string")
    return text


def _convert_list(value: object, text: str | None) -> tuple[object, ...]:
    if text is not None:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(value, Mapping):
        return tuple((str(name), str(content)) for name, content in value.items())
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("must be a list of strings")


def read_address(text: str) -> str | tuple[str, int]:
    """Return the path after ``unix:``, or host and port; raise ValueError for anything else."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text[len("unix:") :]
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not _is_whole_number(port) or not 0 < int(port) < 65536:
        raise ValueError("must be host:port or unix:path")
    return host, int(port)


def read_buckets(texts: tuple[str, ...]) -> tuple[float, ...]:
    """Return the upper ends as numbers; raise ValueError unless they go up from above 0 and are few enough."""
    if not all(_is_number(text) for text in texts):
        raise ValueError("must be a list of numbers in the digits 0 to 9")
    bounds = tuple(float(text) for text in texts)
    if not 0 < len(bounds) <= MOST_BUCKETS or bounds[0] <= 0 or not math.isfinite(bounds[-1]):
        raise ValueError(f"must be 1 to {MOST_BUCKETS} numbers above 0")
    if any(after <= before for before, after in itertools.pairwise(bounds)):
        raise ValueError("must be in ascending order")
    return bounds


def gunicorns(
    name: str,
    default: Value,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    zero: int | None = None,
) -> Value:
    """Describe a field that gunicorn has a setting for; ``zero`` is what gunicorn's 0 stands for here."""
    return field(default=default, metadata={"name": name, "help": help_text, "low": low, "high": high, "zero": zero})


def own(
    default: Value,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Value:
    """Describe a field that only gasgi has; its public name is ``gasgi_`` and the name of the field."""
    return field(default=default, metadata={"help": help_text, "low": low, "high": high, "choices": choices})


def deadline(default: float, help_text: str) -> float:
    """Describe a field of gasgi's that is a time in seconds, with 0 for none."""
    return own(default, help_text + "; 0 switches it off", low=0, high=DAY_S)


def describe_field(spec: Field[Any]) -> Setting:
    """Return the setting that a field made by one of the functions above stands for."""
    hints = spec.metadata
    return Setting(
        field=spec.name,
        name=hints.get("name", "gasgi_" + spec.name),
        is_own="name" not in hints,
        default=spec.default,
        help=hints["help"],
        low=hints["low"],
        high=hints.get("high"),
        choices=hints.get("choices", ()),
        zero=hints.get("zero"),
    )
