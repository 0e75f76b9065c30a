"""Which signal does what: while a worker boots straight away, later through its loop, so that it interrupts nothing.

The arbiter's SIGABRT never goes through the loop, which is stuck when it comes.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from gasgi.worker.thread_stacks import ThreadStacks, format_stacks

__all__ = ["Signals"]

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Signals:
    """``worker`` is gunicorn's: its log, its hooks, and ``alive``, which is False once it is to stop.

    ``on_term`` and ``on_quit`` stop it once its loop runs; before there is nothing that would have to end in order.
    """

    def __init__(self, worker: Any, on_term: Callable[[], None], on_quit: Callable[[], None]) -> None:
        self._worker = worker
        self._on_term = on_term
        self._on_quit = on_quit
        self._stacks = ThreadStacks(worker.log.error_log)

    def take_while_booting(self) -> None:
        """Leave at once when told to stop."""
        for number in STOPS:
            signal.signal(number, self._on_stop_while_booting)

    def take_all_while_booting(self) -> None:
        """Take all that gunicorn sends, in place of the handlers it has installed."""
        for number in self._worker.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self.take_while_booting()
        signal.signal(signal.SIGUSR1, self._on_usr1)
        signal.signal(signal.SIGWINCH, self._on_winch)
        faulthandler.disable()
        signal.signal(signal.SIGABRT, self._on_abort)
        signal.siginterrupt(signal.SIGABRT, False)
        self.follow_log()

    def take_by_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take them through ``loop`` from now on."""
        loop.add_signal_handler(signal.SIGTERM, self._on_term)
        loop.add_signal_handler(signal.SIGINT, self._on_quit)
        loop.add_signal_handler(signal.SIGQUIT, self._on_quit)
        loop.add_signal_handler(signal.SIGUSR1, self._on_usr1)
        loop.add_signal_handler(signal.SIGWINCH, self._on_winch)

    def ignore_stops(self, loop: asyncio.AbstractEventLoop) -> None:
        """Signals that come now find nothing to do; closing the loop would let them end the process half-way."""
        for number in STOPS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def follow_log(self) -> None:
        """Have crashes write to where the log is now; to be called whenever it may have moved."""
        self._stacks.follow()

    def _on_stop_while_booting(self, number: int, frame: FrameType | None) -> None:
        worker = self._worker
        if worker.alive:
            worker.alive = False
            if number != signal.SIGTERM:
                worker.cfg.worker_int(worker)
            raise SystemExit(0)

    def _on_usr1(self, *args: object) -> None:
        """Reopen the logs."""
        self._worker.log.reopen_files()
        self._stacks.follow()

    def _on_winch(self, *args: object) -> None:
        self._worker.log.debug("worker: SIGWINCH ignored.")

    def _on_abort(self, number: int, frame: FrameType | None) -> None:
        """The arbiter missed the heartbeat: show the stack of every thread, then exit."""
        worker = self._worker
        stacks = "the stacks above show where" if self._stacks.were_written() else f"here:\n{format_stacks()}"
        worker.log.critical("Event loop blocked for longer than --timeout (pid: %s): %s", worker.pid, stacks)
        worker.alive = False
        try:
            worker.cfg.worker_abort(worker)
        finally:
            # sys.exit() would only raise SystemExit into whatever blocks the loop.
            worker.log.info("Worker exiting (pid: %s)", worker.pid)
            os._exit(1)
