"""The worker class gunicorn is given.

Boots a worker process, keeps up its heartbeat and ends it in order: stop accepting, drain, lifespan.shutdown, exit
before the arbiter's patience ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from gunicorn.workers import base

from gasgi.app_errors import format_exception, log_exception
from gasgi.asgi.asgi2 import single_callable
from gasgi.asgi.failed_app import failed_app
from gasgi.asgi.lifespan import Lifespan, LifespanFailed
from gasgi.errors import SettingError
from gasgi.gunicorn_rules import check_gunicorn_settings
from gasgi.proxy.policy import ProxyPolicy
from gasgi.reporting.metrics import check_metrics
from gasgi.reporting.observer import make_observer
from gasgi.reporting.slow_requests import SlowRequests
from gasgi.reporting.statsd import guard_statsd, make_gauges
from gasgi.serving.runtime import Runtime
from gasgi.setting_sources import find_config_module, load_settings
from gasgi.worker import loops as loops
from gasgi.worker.build_info import one_line
from gasgi.worker.collector import freeze_collector, raise_collector_threshold
from gasgi.worker.exits import LoopRunner, describe_exit, leave_threads_behind
from gasgi.worker.health import Health
from gasgi.worker.load_failure import LoadFailure
from gasgi.worker.load_report import report_load_failure
from gasgi.worker.malloc import keep_freed_memory
from gasgi.worker.server import Server
from gasgi.worker.shared import Shared
from gasgi.worker.signals import Signals
from gasgi.worker.stop_time import StopTime
from gasgi.worker.tls import check_files_before_sockets, make_ssl_context, make_tls_info
from gasgi.worker.wire import alpn_names

__all__ = ["Worker"]

# Told to hurry (SIGINT, SIGQUIT), or reloading: the arbiter, which allows two seconds after an earlier SIGTERM.
QUICK_STOP_S = 5.0
QUICKER_STOP_S = 1.7
BEAT_S = 1.0  # between two heartbeats, at the most
BEATS_PER_TIMEOUT = 4
LAST_HEARTBEAT = 0.8  # of gunicorn's timeout, for the end of the process after the last heartbeat


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn has no types
    """``gunicorn main:app --worker-class gasgi.Worker``."""

    _warned: ClassVar[list[str]] = []

    @classmethod
    def setup(cls) -> None:
        """Prepare gunicorn before it opens its sockets; called each time that the class is looked up."""
        check_files_before_sockets()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Stop the boot at a setting that cannot be honoured; called once, in the master."""
        config_module = find_config_module(cfg, sys.modules)
        try:
            settings = load_settings(cfg, config_module, os.environ)
            ProxyPolicy(settings)
            check_metrics(settings.metrics_bind)
            cls._warn(log, check_gunicorn_settings(cfg, config_module))
            loops.check_loop(settings.asgi_loop)
            make_ssl_context(cfg, alpn_names(settings))
        except SettingError as exc:
            # gunicorn prints a RuntimeError as "Error: …" and exits.
            raise RuntimeError(str(exc)) from exc

    @classmethod
    def _warn(cls, log: Any, warnings: list[str]) -> None:
        """Log what the master has not said yet: every worker is made there, and a reload may bring other settings."""
        for warning in warnings:
            if warning not in cls._warned:
                log.warning("%s", warning)
        cls._warned = warnings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alive: bool
        guard_statsd(self.log)  # the master's, and by that the worker's
        self._refusal: SettingError | None = None
        config_module = find_config_module(self.cfg, sys.modules)
        try:
            self.settings = load_settings(self.cfg, config_module, os.environ)
            self._warn(self.log, check_gunicorn_settings(self.cfg, config_module))
        except SettingError as exc:
            # This is the master, which would die of it when a reload (SIGHUP) brought the mistake.
            self._refusal = exc
        self._has_served = False
        self._exit_code = 0
        if self._refusal is None:
            try:
                self._shared = Shared(self, self.settings, self.cfg.umask)
            except SettingError as exc:
                self._refusal = exc
        self._should_hurry = False
        self._is_reloading = False
        self._load_failure: LoadFailure | None = None

    def init_process(self) -> None:
        """Make the loop, then let gunicorn do its part; does not return before the worker ends."""
        keep_freed_memory(os.environ)
        self._signals = Signals(self, self._on_term, self._on_quit)
        self._signals.take_while_booting()
        try:
            if self._refusal is not None:
                raise self._refusal
            # Before privileges are dropped: key and certificate may be readable by root alone.
            self._ssl_context = make_ssl_context(self.cfg, alpn_names(self.settings))
            self._tls_info = make_tls_info(self._ssl_context, self.cfg)
        except SettingError as exc:
            self.log.error("%s", exc)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        self._stop_time = StopTime(self.settings.graceful_timeout_s)
        raise_collector_threshold(self.settings)
        self.loop = loops.new_loop(self.settings.asgi_loop)
        self._shared.claim(self.loop.time())
        asyncio.set_event_loop(self.loop)
        loops.log_loop_errors(self.loop, self.log)
        # Like the key, what it reads may be readable by root alone.
        self._boot_line = one_line(self.loop)
        self._stop = asyncio.Event()
        self._runner = LoopRunner(self.loop, self._on_exit_by_app)
        super().init_process()

    # Told to stop

    def init_signals(self) -> None:
        """Called by gunicorn before it loads the application: nothing runs yet that would have to be ended in order."""
        self._signals.take_all_while_booting()

    def _on_term(self) -> None:
        self.alive = False
        self._end_within(self.settings.graceful_timeout_s)

    def _on_quit(self) -> None:
        if self._should_hurry:
            return  # Ctrl-C: the terminal's SIGINT is followed by the arbiter's SIGQUIT
        self._should_hurry = True
        patience_s = min(QUICK_STOP_S, self.settings.graceful_timeout_s)
        self._end_within(patience_s if self.alive else min(patience_s, QUICKER_STOP_S))
        self.alive = False
        self.cfg.worker_int(self)

    def _end_within(self, seconds: float) -> None:
        self._stop_time.begin(self.loop.time(), seconds)
        self._stop.set()

    # The life of the process

    def load_wsgi(self) -> None:
        """Load the ASGI application; gunicorn calls it so."""
        try:
            self.wsgi = self.app.wsgi()
            self.asgi = single_callable(self.wsgi)
        except BaseException as exc:
            if not self.alive:
                raise  # told to stop meanwhile
            if self.reloader is not None:
                log_exception(self.log, exc, "Cannot load the application; retrying when one of its files changes")
                self._load_failure = LoadFailure(exc, self.cfg.reload_extra_files)
                self.asgi = failed_app(format_exception(exc))
            elif report_load_failure(exc, self.log):
                raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
            else:
                raise
        # The application may have set up logging anew, which closes the files it had (logging.config.dictConfig).
        self._signals.follow_log()

    def run(self) -> None:
        """Serve until told to stop; raise SystemExit when the worker could not start."""
        self._signals.take_by_loop(self.loop)
        try:
            code = self._runner.run(self.loop.create_task(self._serve()))
        finally:
            self._close_loop()
        self._shared.release()
        self._exit_in_time(code)
        if code:
            sys.exit(code)

    def _on_exit_by_app(self, exc: BaseException) -> None:
        log_exception(
            self.log,
            exc,
            "Application raised %s in a task or callback; stopping the worker",
            describe_exit(exc),
        )
        if not self._has_served:
            # Started anew it would do the same, for ever.
            self._exit_code = int(Arbiter.WORKER_BOOT_ERROR)
        self._on_term()

    async def _serve(self) -> int:
        lifespan: Lifespan | None = None
        if not self.alive:
            # The signal came during the import, and the application caught the SystemExit it became.
            self._on_term()
        try:
            runtime = self._make_runtime()
            server = self._make_server(runtime)
            self._health = Health(runtime, make_gauges(self.log))
            server.start_clock()
            self._beat()
            self.loop.add_reader(self.PIPE[0], self._on_reload)
            lifespan = await self._start_lifespan(runtime)
            if not self._stop.is_set():
                self._start_serving(runtime, server)
        except LifespanFailed as exc:
            self.log.error("ASGI lifespan startup failed: %s", exc)
            return int(Arbiter.WORKER_BOOT_ERROR)
        except (Exception, asyncio.CancelledError) as exc:
            # gunicorn counts a worker as booted before run(), and would start another one for ever. An app that cancels
            # all tasks while it starts cancels this one.
            log_exception(self.log, exc, "Exception while the worker was starting")
            return int(Arbiter.WORKER_BOOT_ERROR)
        await self._wait_for_stop()
        server.stop_accepting()
        is_quick = self._should_hurry or self._is_reloading
        drain_until = self._stop_time.drain_until(self.loop.time(), is_quick)
        await server.drain(
            drain_until, self._stop_time.abort_s(), lambda: self._should_hurry and not is_quick, is_quick
        )
        if lifespan is not None:
            await lifespan.shutdown(self._stop_time.shutdown_s(self.loop.time()))
        self._health.stop()
        self._shared.stop_metrics()
        server.stop_clock()
        return self._exit_code

    async def _wait_for_stop(self) -> None:
        try:
            await self._stop.wait()
        except asyncio.CancelledError:
            self.log.error(
                "Application cancelled the worker's own task (one of asyncio.all_tasks()); stopping the worker"
            )
            self._on_term()

    def _make_runtime(self) -> Runtime:
        observer = make_observer(self, self.cfg, self.log, self.settings.access_log_json)
        runtime = Runtime(self.loop, self.asgi, self.settings, self.log, observer)
        runtime.proxy = ProxyPolicy(self.settings)
        runtime.slot = self._shared.slot(is_alone=self.cfg.reuse_port)
        runtime.meter = self._shared.meter()
        if self.settings.slow_request_ms:
            runtime.slow = SlowRequests(self.settings.slow_request_ms / 1000, self.log)
        runtime.on_quota = self._on_quota
        if self.settings.max_requests:
            runtime.max_requests = self.max_requests  # with its jitter
        if "tls" in self.settings.asgi_extensions:
            runtime.tls_info = self._tls_info
        return runtime

    def _make_server(self, runtime: Runtime) -> Server:
        listeners = [listener.sock for listener in self.sockets]
        connect = loops.connector(self.loop, self._ssl_context is not None)
        # With reuse_port each worker has a queue of its own.
        sharing = self._shared.sharing(self.cfg.reuse_port, listeners)
        return Server(runtime, listeners, connect, self._ssl_context, self._on_tick, sharing)

    def _start_serving(self, runtime: Runtime, server: Server) -> None:
        runtime.has_task_factory = self.loop.get_task_factory() is not None
        freeze_collector(self.settings, is_heap_shared=self.cfg.preload_app)
        self.log.info("%s", self._boot_line)
        self._signals.follow_log()  # the application's startup may have set up logging, too
        self._health.start()
        self._has_served = True
        self._shared.start_metrics([] if self.cfg.reuse_port else [listener.sock for listener in self.sockets])
        server.start_accepting()

    async def _start_lifespan(self, runtime: Runtime) -> Lifespan | None:
        """Run the app's startup, however long it takes; a signal to stop ends it."""
        mode = self.settings.asgi_lifespan
        if mode == "off":
            return None
        lifespan = Lifespan(self.asgi, self.log, mode)
        startup = self.loop.create_task(lifespan.startup())
        stop = self.loop.create_task(self._stop.wait())
        await asyncio.wait((startup, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not startup.done():
            startup.cancel()
            self.log.info("Stopped during ASGI lifespan startup")
            await lifespan.abandon()
            return None
        try:
            await startup
        except LifespanFailed as exc:
            if self.reloader is None:
                raise
            self.log.error("ASGI lifespan startup failed: %s; retrying when a file changes", exc)
            self._load_failure = LoadFailure(exc, self.cfg.reload_extra_files)
            runtime.app = failed_app(f"ASGI lifespan startup failed: {exc}\n")
            return None
        if lifespan.is_running:
            runtime.state = lifespan.state
        return lifespan

    def _beat(self) -> None:
        """Tell the arbiter that the loop runs, several times within gunicorn's ``timeout``."""
        self.notify()
        pause_s = min(BEAT_S, self.cfg.timeout / BEATS_PER_TIMEOUT) if self.cfg.timeout else BEAT_S
        self.loop.call_later(pause_s, self._beat)  # until the loop is closed

    def _on_tick(self) -> None:
        self._health.tick()
        if self._load_failure is not None and self.alive:
            self._look_for_mending(self._load_failure)
        self._shared.beat(self.loop.time())
        if self.ppid != os.getppid() and not self._stop.is_set():
            self.log.info("Parent changed, shutting down: %s", self)
            self._on_term()

    def _look_for_mending(self, failure: LoadFailure) -> None:
        """Leave as for gunicorn's reloader, which does not watch what has not loaded."""
        changed = failure.find_change()
        if changed is not None:
            self.log.info("Worker reloading: %s modified", changed)
            self._leave_for_reload()
            self.cfg.worker_int(self)

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
            self._leave_for_reload()

    def _leave_for_reload(self) -> None:
        self.alive = False
        self._is_reloading = True
        self._end_within(QUICK_STOP_S)

    def _close_loop(self) -> None:
        """Cancel what is left, run the finally-blocks and close."""
        self._runner.end_tasks(lambda: self._stop_time.resist_s(self.loop.time()))
        self._signals.ignore_stops(self.loop)
        self._left_s = self._stop_time.exit_s(self.loop.time())
        self.loop.close()

    def _exit_in_time(self, code: int) -> None:
        patience_s = self._left_s
        if self.cfg.timeout:
            # The arbiter, which sees no heartbeat after this one, would report a worker that hangs.
            self.notify()
            patience_s = min(patience_s, self.cfg.timeout * LAST_HEARTBEAT)
        leave_threads_behind(patience_s, code, self.log)
