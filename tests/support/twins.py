"""Which implementations of an accelerator the contract suite runs against."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from gasgi import compiled as extensions

# Only "off" leaves the compiled twin out; in every other mode a missing one fails its tests.
TWINS = ("pure",) if extensions.MODE == "off" else ("pure", "compiled")


def load_twin(name: str, which: str) -> ModuleType:
    """Import one twin: ``load_twin("_writer", "compiled")``."""
    return import_module(f"gasgi.{name}_py" if which == "pure" else f"gasgi.{name}")
