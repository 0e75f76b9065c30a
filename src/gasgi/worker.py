"""The worker class gunicorn is given; the only module besides cli that imports gunicorn.

Boots a worker process, turns gunicorn's signals into events and ends the process in order: stop accepting, drain,
lifespan.shutdown, exit before the arbiter's patience ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import sys
import traceback
from types import FrameType
from typing import Any

from gunicorn import sock as gunicorn_sock
from gunicorn.arbiter import Arbiter
from gunicorn.workers import base

from gasgi import loops
from gasgi.build_info import one_line
from gasgi.errors import SettingError
from gasgi.gunicorn_rules import check_gunicorn_settings
from gasgi.legacy import single_callable
from gasgi.lifespan import Lifespan, LifespanFailed
from gasgi.malloc import keep_freed_memory
from gasgi.observer import make_observer
from gasgi.proxy import ProxyPolicy
from gasgi.runtime import Runtime
from gasgi.server import Server
from gasgi.settings import Settings, find_config_module
from gasgi.tls_info import TlsInfo

__all__ = ["Worker"]

# What is kept of graceful_timeout for lifespan.shutdown: at that moment the arbiter sends SIGKILL.
SHUTDOWN_SHARE = 0.1
SHUTDOWN_MARGIN_S = (0.5, 3.0)
# The arbiter allows two seconds when it is told to hurry.
QUICK_DRAIN_S = 0.5
QUICK_SHUTDOWN_S = 1.0


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn has no types
    """``gunicorn main:app --worker-class gasgi.Worker``."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Stop the boot at a setting that cannot be honoured; called once, in the master."""
        try:
            ProxyPolicy(Settings.load(cfg, find_config_module(cfg, sys.modules), os.environ))
            for warning in check_gunicorn_settings(cfg):
                log.warning("%s", warning)
            loops.check_loop(getattr(cfg, "asgi_loop", "auto"))
            make_ssl_context(cfg)
        except SettingError as exc:
            # gunicorn prints a RuntimeError as "Error: …" and exits.
            raise RuntimeError(str(exc)) from exc

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = Settings.load(self.cfg, find_config_module(self.cfg, sys.modules), os.environ)
        self._should_hurry = False
        self._is_reloading = False

    def init_process(self) -> None:
        """Make the loop, then let gunicorn do its part; does not return before the worker ends."""
        keep_freed_memory(os.environ)
        self.loop = loops.new_loop(getattr(self.cfg, "asgi_loop", "auto"))
        asyncio.set_event_loop(self.loop)
        self._stop = asyncio.Event()
        # Before privileges are dropped: the key may be readable by root alone.
        self._ssl_context = make_ssl_context(self.cfg)
        super().init_process()

    def init_signals(self) -> None:
        """Take signals through the loop, so that they interrupt nothing; SIGABRT must work when the loop is stuck."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number, handler in (
            (signal.SIGTERM, self._on_term),
            (signal.SIGINT, self._on_quit),
            (signal.SIGQUIT, self._on_quit),
            (signal.SIGUSR1, self.log.reopen_files),
            (signal.SIGWINCH, self._on_winch),
        ):
            self.loop.add_signal_handler(number, handler)
        signal.signal(signal.SIGABRT, self.handle_abort)
        signal.siginterrupt(signal.SIGABRT, False)

    def _on_term(self) -> None:
        self.alive = False
        self._stop.set()

    def _on_quit(self) -> None:
        was_hurrying, self._should_hurry = self._should_hurry, True
        self._on_term()
        if not was_hurrying:
            self.cfg.worker_int(self)

    def _on_winch(self) -> None:
        self.log.debug("worker: SIGWINCH ignored.")

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """The arbiter missed the heartbeat: show where every thread stands, then exit."""
        stacks = "\n".join(
            f"Thread {ident}:\n{''.join(traceback.format_stack(stack))}" for ident, stack in sys._current_frames().items()
        )
        self.log.critical("The event loop was blocked for longer than --timeout; the threads stand here:\n%s", stacks)
        self.alive = False
        self.cfg.worker_abort(self)
        # sys.exit() would only raise SystemExit into whatever blocks the loop.
        self.log.info("Worker exiting (pid: %s)", self.pid)
        os._exit(1)

    def load_wsgi(self) -> None:
        """Load the ASGI application; gunicorn calls it so."""
        super().load_wsgi()
        self.asgi = single_callable(self.wsgi)

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self._close_loop()

    async def _serve(self) -> None:
        try:
            server, lifespan = await self._boot()
        except Exception:
            # gunicorn counts a worker as booted before run(), and would start another one for ever.
            self.log.exception("Exception while the worker was starting")
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        await self._stop.wait()
        server.stop_accepting()
        margin_s = min(max(self.settings.graceful_timeout_s * SHUTDOWN_SHARE, SHUTDOWN_MARGIN_S[0]), SHUTDOWN_MARGIN_S[1])
        drain_s = QUICK_DRAIN_S if self._should_hurry or self._is_reloading else self.settings.graceful_timeout_s - margin_s
        await server.drain(drain_s, lambda: self._should_hurry and drain_s > QUICK_DRAIN_S)
        if lifespan is not None:
            await lifespan.shutdown(QUICK_SHUTDOWN_S if self._should_hurry else margin_s)
        server.stop_clock()

    async def _boot(self) -> tuple[Server, Lifespan | None]:
        """Start the heartbeat, run the app's startup, then accept."""
        runtime = Runtime(self.loop, self.asgi, self.settings, self.log, make_observer(self, self.cfg, self.log))
        runtime.proxy = ProxyPolicy(self.settings)
        runtime.on_quota = self._on_quota
        if self._ssl_context is not None:
            runtime.tls_info = TlsInfo(self._ssl_context, self.cfg.certfile)
        server = Server(
            runtime,
            [listener.sock for listener in self.sockets],
            loops.connector(self.loop, self._ssl_context is not None),
            self._ssl_context,
            self._on_tick,
        )
        server.start_clock()
        self.loop.add_reader(self.PIPE[0], self._on_reload)
        lifespan = await self._start_lifespan(runtime)
        runtime.has_task_factory = self.loop.get_task_factory() is not None
        if self.settings.gc_freeze:
            gc.collect()
            gc.freeze()
        self.log.info("%s", one_line(self.loop))
        server.start_accepting()
        return server, lifespan

    async def _start_lifespan(self, runtime: Runtime) -> Lifespan | None:
        mode = getattr(self.cfg, "asgi_lifespan", "auto")
        if mode == "off":
            return None
        lifespan = Lifespan(runtime.app, self.log, mode)
        try:
            await lifespan.startup()
        except LifespanFailed as exc:
            self.log.error("ASGI lifespan startup failed: %s", exc)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        if lifespan.is_running:
            runtime.state = lifespan.state
        return lifespan

    def _on_tick(self) -> None:
        self.notify()
        if self.ppid != os.getppid() and not self._stop.is_set():
            self.log.info("Parent changed, shutting down: %s", self)
            self._on_term()

    def _on_quota(self) -> None:
        if self.alive:
            self.log.info("Autorestarting worker after current request.")
            self._on_term()

    def _on_reload(self) -> None:
        """A byte in the pipe: the reloader saw a change and has called worker_int itself."""
        try:
            os.read(self.PIPE[0], 4096)
        except OSError:
            return
        if not self.alive and not self._stop.is_set():
            self._is_reloading = True
            self._stop.set()

    def _close_loop(self) -> None:
        """Cancel what is left, run the finally-blocks and close."""
        pending = asyncio.all_tasks(self.loop)
        for task in pending:
            task.cancel()
        if pending:
            self.loop.run_until_complete(asyncio.wait(pending, timeout=1.0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


def make_ssl_context(cfg: Any) -> ssl.SSLContext | None:
    """Make the TLS context of gunicorn's settings; raise SettingError rather than ever serve plaintext on a TLS port."""
    if not cfg.is_ssl:
        return None
    try:
        context = gunicorn_sock.ssl_context(cfg)
    except Exception as exc:
        raise SettingError(
            f"TLS cannot be set up from certfile={cfg.certfile!r}, keyfile={cfg.keyfile!r}, ca_certs={cfg.ca_certs!r}, "
            f"ciphers={cfg.ciphers!r} and the ssl_context hook: {type(exc).__name__}: {exc}"
        ) from exc
    if not isinstance(context, ssl.SSLContext):
        raise SettingError(f"the ssl_context hook must return an ssl.SSLContext, not {context!r}")
    return context
