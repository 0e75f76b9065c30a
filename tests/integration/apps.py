"""Applications for the tests that run a real gunicorn. They write what happens into the file $JOURNAL."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from tests.support.ws_apps import echo_messages

PLAIN = [(b"content-type", b"text/plain")]


def note(line: str) -> None:
    """Append a line to the journal, whole even when several processes write."""
    descriptor = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    await asyncio.sleep(float(os.environ.get("STARTUP_S", "0")))
    if "STARTUP_EXITS" in os.environ:
        exit_later(os.environ["STARTUP_EXITS"])
        await asyncio.sleep(300)
    if "STARTUP_CANCELS" in os.environ:
        cancel_all()
    if "STARTUP_THREAD" in os.environ:
        threading.Thread(target=time.sleep, args=(300,), name="endless").start()
    if "STARTUP_FAILS" in os.environ:
        await send({"type": "lifespan.startup.failed", "message": os.environ["STARTUP_FAILS"]})
        return
    note(f"startup {os.getpid()}")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    note("shutdown begins")
    if "SHUTDOWN_CANCELS" in os.environ:
        cancel_all()
    if "SHUTDOWN_RESISTS" in os.environ:
        await resist()
    await asyncio.sleep(float(os.environ.get("SHUTDOWN_S", "0")))
    note("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*PLAIN, length]})
    await send({"type": "http.response.body", "body": body})


async def stream(send: Any) -> None:
    """Events without end; the finally-block is noted."""
    note("stream begins")
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: .\n\n", "more_body": True})
            await asyncio.sleep(0.05)
    finally:
        note("stream ends")


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    end = await echo_messages(receive, send)
    note(f"websocket ends {end.get('code')}")


def cancel_all() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def leave(how: str) -> None:
    raise KeyboardInterrupt if how == "interrupt" else SystemExit(int(how))


async def leave_soon(how: str) -> None:
    await asyncio.sleep(0.1)
    leave(how)


def exit_later(path: str) -> None:
    """Raise SystemExit or KeyboardInterrupt in no request: /exit/task/CODE, /exit/callback/interrupt."""
    _, _, where, how = path.split("/")
    if where == "task":
        kept.append(asyncio.create_task(leave_soon(how)))
    else:
        asyncio.get_running_loop().call_later(0.1, leave, how)


async def resist() -> None:
    """Go on, whoever cancels it."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(300)


kept: list[Any] = []


async def never_finished() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.sleep(300)


def block_in_python() -> None:
    while True:
        time.sleep(0.01)


def block_in_c() -> None:
    # PyDLL keeps the interpreter's lock: no Python code runs until the sleep is over.
    ctypes.PyDLL(None).sleep(300)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
        return
    path = scope["path"].removeprefix(scope["root_path"])
    if path.startswith("/count/"):
        note(path)
        await answer(send, path.encode())
    elif path.startswith("/sleep/"):
        note(f"sleep begins {os.getpid()}")
        await asyncio.sleep(float(path.rpartition("/")[2]))
        await answer(send, b"slept")
    elif path.startswith("/nap/"):
        note("nap begins")
        time.sleep(float(path.rpartition("/")[2]))
        await answer(send, b"napped")
    elif path == "/stream":
        await stream(send)
    elif path == "/block":
        block_in_python()
    elif path == "/block-c":
        note("blocks")
        block_in_c()
    elif path == "/thread":
        threading.Thread(target=time.sleep, args=(300,), name="endless").start()
        await answer(send, b"started")
    elif path == "/unretrieved":
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await answer(send, b"scheduled")
    elif path == "/generator":
        kept.append(never_finished())
        await anext(kept[-1])
        await answer(send, b"begun")
    elif path.startswith("/exit/"):
        exit_later(path)
        await answer(send, b"scheduled")
    elif path == "/resist":
        kept.append(asyncio.create_task(resist()))
        await answer(send, b"begun")
    elif path == "/cancel-all":
        cancel_all()
        await answer(send, b"cancelled")
    elif path == "/tls":
        await answer(send, repr(scope["extensions"].get("tls")).encode())
    elif path == "/scope":
        names = ("client", "server", "scheme", "state", "path", "root_path")
        await answer(send, repr({name: scope.get(name) for name in names}).encode())
    else:
        await answer(send, str(os.getpid()).encode())
