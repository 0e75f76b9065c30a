"""What the watch says of a loop that is slow to answer, and what it leaves out. Time and the loop are scripted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gasgi.worker.loop_watch import LoopWatch
from tests.support.fakes import RecordingLog

LIMIT_S = 0.1


class Script:
    """A loop that answers after the times given, one for each question, and the clock that shows it.

    A time of None is a callback that keeps the GIL: the limit has passed and the answer is there when the watch looks.
    """

    def __init__(self, *answers_s: float | None) -> None:
        self.now = 1000.0
        self.answers_s = list(answers_s)
        self.watch: LoopWatch
        self.is_closed_loop = False

    def is_closed(self) -> bool:
        return self.is_closed_loop

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        if not self.answers_s:
            self.is_closed_loop = True
            raise RuntimeError("Event loop is closed")
        callback()

    def make_event(self) -> Any:
        return ScriptedEvent(self)


class ScriptedEvent:
    """Both events of the watch: waiting moves the clock."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._took_s: float | None = None
        self._is_asked = False
        self._waits = 0

    def set(self) -> None:
        self._is_asked = True
        self._took_s = self._script.answers_s.pop(0)
        self._waits = 0

    def clear(self) -> None:
        self._is_asked = False

    def is_set(self) -> bool:
        return self._is_asked and (self._took_s is None or self._waits > 1)

    def wait(self, seconds: float | None = None) -> bool:
        if not self._is_asked:  # the pause between two questions
            self._script.now += seconds or 0.0
            return False
        self._waits += 1
        took_s = self._took_s
        if took_s is None:
            if self._waits == 1:
                self._script.now += LIMIT_S * 2
                return False
            return True
        if seconds is not None and took_s > seconds:
            self._script.now += seconds
            self._took_s = took_s - seconds
            return False
        self._script.now += took_s
        return True


def run(*answers_s: float | None) -> tuple[list[str], LoopWatch]:
    """Let the watch ask until the script has ended; return its warnings."""
    script, log = Script(*answers_s), RecordingLog()
    watch = LoopWatch(script, LIMIT_S, log, lambda: script.now, script.make_event)
    watch._run()
    return log.levels("warning"), watch


def test_says_nothing_of_a_loop_that_answers_in_time():
    warnings, watch = run(0.001, 0.05, LIMIT_S)
    assert warnings == []
    assert watch.take_longest_s() == pytest.approx(LIMIT_S)


def test_shows_the_stack_and_then_how_long_it_took():
    warnings, watch = run(0.48)
    assert len(warnings) == 2
    assert warnings[0].startswith("Event loop blocked for 100 ms (gasgi_slow_loop_ms = 100), currently at")
    assert warnings[1] == "Event loop unblocked after 480 ms"
    assert watch.take_longest_s() == pytest.approx(0.48)


def test_shows_only_the_frames_that_the_loop_called():
    def blocks() -> list[str]:
        watch._run()
        return log.levels("warning")

    script, log = Script(0.2), RecordingLog()
    watch = LoopWatch(script, LIMIT_S, log, lambda: script.now, script.make_event)
    stack = blocks()[0]
    assert "in blocks" in stack
    assert "_pytest" not in stack


def test_reports_one_block_a_second_and_counts_the_others():
    warnings, _ = run(0.2, 0.2, 0.2, 0.2, 1.0, 0.2)
    stacks = [warning for warning in warnings if "currently at" in warning]
    # Questions come half the limit apart: at 0.05, 0.3, 0.55, 0.8 and 1.05 s; the report falls due 0.1 s later.
    assert len(stacks) == 3
    assert "more times" not in stacks[0]
    assert "3 more times since the last such line" in stacks[1]
    assert "more times" not in stacks[2]
    assert len(warnings) == 6


def test_accuses_nobody_when_the_loop_runs_again():
    warnings, _ = run(None)
    assert "unknown: C code that held the GIL" in warnings[0]
    assert "File" not in warnings[0]


def test_forgets_the_longest_answer_once_it_was_asked_for():
    _, watch = run(0.02)
    assert watch.take_longest_s() == pytest.approx(0.02)
    assert watch.take_longest_s() == 0.0


def test_ends_with_its_loop():
    script = Script()
    LoopWatch(script, LIMIT_S, RecordingLog(), lambda: script.now, script.make_event)._run()
    assert script.is_closed_loop


def test_stops_at_once_while_the_loop_is_blocked():
    class DeafLoop:
        def __init__(self) -> None:
            self.was_asked = threading.Event()

        def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
            self.was_asked.set()

    loop = DeafLoop()
    watch = LoopWatch(loop, 0.001, RecordingLog())
    watch.start()
    assert loop.was_asked.wait(30)
    watch.stop()
    assert not watch._thread.is_alive()
