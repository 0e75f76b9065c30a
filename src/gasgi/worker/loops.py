"""Which event loop and which transports a worker uses, and where the loop's complaints go."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gasgi.app_errors import log_exception, safe_text
from gasgi.errors import SettingError

if TYPE_CHECKING:
    from gasgi.serving.runtime import Log

__all__ = ["check_loop", "connector", "log_loop_errors", "loop_name", "new_loop"]

# What transports report of a handshake; whoever waits for it gets the exception too, and has the line.
FAILED_HANDSHAKE = "SSL handshake failed"


def loop_name(setting: str) -> str:
    """Return "uvloop" or "asyncio" for ``--asgi-loop``; auto takes uvloop where it is installed."""
    if setting == "auto":
        return "asyncio" if find_spec("uvloop") is None else "uvloop"
    return setting


def check_loop(setting: str) -> None:
    """Raise SettingError when the loop that ``--asgi-loop`` names cannot be had."""
    if setting == "uvloop" and find_spec("uvloop") is None:
        raise SettingError("--asgi-loop uvloop: uvloop is not installed; install it or use --asgi-loop auto")


def new_loop(setting: str) -> asyncio.AbstractEventLoop:
    """Make the loop."""
    if loop_name(setting) == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def connector(loop: asyncio.AbstractEventLoop, is_tls: bool) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return what puts a protocol on an accepted socket, with the signature of ``loop.connect_accepted_socket``.

    aiofastnet's transports where it is installed, for TLS and for the stock loop; uvloop's own for plain TCP.
    """
    is_stock = isinstance(loop, asyncio.BaseEventLoop)
    if (is_tls or is_stock) and find_spec("aiofastnet") is not None:
        import aiofastnet

        return functools.partial(aiofastnet.connect_accepted_socket, loop)
    return loop.connect_accepted_socket


def log_loop_errors(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Send what the loop reports to ``log``, each once; what a client caused is one line and no traceback."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exc: Any = context.get("exception")
        if issubclass(type(exc), type):
            exc = exc()  # aiofastnet and asyncio name the class alone where the peer has left
        message = context.get("message") or "Unhandled exception in event loop"
        kind = type(exc)  # isinstance() would ask an exception of the application's for its __class__
        if exc is None:
            log.error("%s", message)
        elif issubclass(kind, OSError) and message.startswith(FAILED_HANDSHAKE):
            return
        elif issubclass(kind, (SystemExit, KeyboardInterrupt)):
            return  # of a task: the loop has raised it too, and whoever ran the loop has the line
        elif issubclass(kind, (OSError, asyncio.TimeoutError)) and ("transport" in context or "protocol" in context):
            log.info("Connection error: %s: %s", message, safe_text(exc) or kind.__name__)
        else:
            log_exception(log, exc, "%s", message)

    loop.set_exception_handler(handle)
