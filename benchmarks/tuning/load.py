"""The two loads of the tuning guide: wrk, which keeps the server busy, and a burst of new connections at once."""

from __future__ import annotations

import asyncio
import ssl
import statistics
import time
import urllib.request
from typing import Any

from harness.load import LoadError, run_load, wrk

__all__ = ["burst", "put_wrk", "wait_for_answer"]

BURST_DEADLINE_S = 4.0


def wait_for_answer(url: str) -> None:
    """Return once ``url`` is answered: gunicorn listens before its workers are there."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(url, timeout=60, context=context) as answer:
        answer.read()


def put_wrk(url: str, connections: int, seconds: int, core: int | None) -> dict[str, Any]:
    """Load ``url`` and return wrk's figures; raise LoadError when an answer was no 2xx or nothing came."""
    command = [*wrk(connections, seconds, timeout_s=30), "--script", "wrk/plain.lua", url]
    found = run_load(command, core, seconds)
    if found["errors"]["status"] or not found["answers"]:
        raise LoadError(f"{url}: {found}")
    return found


def burst(port: int, path: str, connections: int) -> dict[str, float]:
    """Open ``connections`` at once, ask once on each and keep them; how many are answered, and how long that takes."""
    took_s = asyncio.run(_burst(port, path, connections))
    return {
        "served": len(took_s),
        "p50_ms": statistics.median(took_s) * 1000 if took_s else 0.0,
        "max_ms": max(took_s, default=0.0) * 1000,
    }


async def _burst(port: int, path: str, connections: int) -> list[float]:
    took_s: list[float] = []
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    async def ask() -> None:
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            took_s.append(time.perf_counter() - began)
            await asyncio.sleep(BURST_DEADLINE_S)
        finally:
            writer.close()

    tasks = [asyncio.create_task(ask()) for _ in range(connections)]
    await asyncio.wait(tasks, timeout=BURST_DEADLINE_S)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return took_s
