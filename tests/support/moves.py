"""A pytest plugin for the pure version: compares the moves between states that tests make with the tables of arrows.

    GASGI_EXTENSIONS=off python -m pytest -p tests.support.moves tests/connection ...

Above the states of each machine stands who moves it: ``A, B --cause--> C --cause--> D``; ``any`` is every state. A move
that no arrow shows fails the run, and so does an arrow that no test goes along.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import gasgi

__all__ = ["MACHINES", "Machine", "compare", "read_arrows"]

_STATE = re.compile(r"^([A-Z_]+) = ([0-9]+)\b", re.MULTILINE)
_ARROW = re.compile(r" --.+?--> ")
_NAMES = re.compile(r"[A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*|any")


class Machine(NamedTuple):
    """``owner`` (module:class) has the state in ``attribute``; the table and the numbers stand in ``table``."""

    owner: str
    attribute: str
    table: str
    prefix: str  # of the names of the states
    first: str
    last: str


MACHINES = (
    Machine("gasgi.http1.connection:HttpConnection", "_phase", "gasgi.http1.phases", "", "IDLE", "CLOSED"),
    Machine("gasgi.http1.response:Response", "framing", "gasgi.http1.phases", "", "UNDECIDED", "UNTIL_CLOSE"),
    Machine("gasgi.http1.body:ChunkedBody", "_state", "gasgi.http1.body", "_", "SIZE_LINE", "COMPLETE"),
    Machine("gasgi.asgi.app_task:AppTask", "_app_state", "gasgi.asgi.app_task", "", "READY", "ENDED"),
    Machine("gasgi.asgi.http:HttpExchange", "_state", "gasgi.asgi.http", "", "NOT_STARTED", "COMPLETE"),
    Machine("gasgi.asgi.websocket:WebSocketSession", "_state", "gasgi.asgi.websocket", "", "CONNECTING", "CLOSED"),
    Machine(
        "gasgi.websocket.connection:WebSocketConnection", "_state", "gasgi.websocket.connection", "", "OPEN", "LOST"
    ),
    Machine("gasgi.http2.streams:Stream", "state", "gasgi.http2.streams", "", "OPEN", "CLOSED"),
    Machine("gasgi.http2.channel:StreamChannel", "_phase", "gasgi.http2.channel", "", "OPEN", "GONE"),
)

Move = tuple[str, str, str]  # owner, from, to

_seen: Counter[Move] = Counter()


def read_states(machine: Machine) -> dict[int, str]:
    """Return number -> name, in the order in which the source gives them."""
    states: dict[int, str] = {}
    for match in _STATE.finditer(_source_of(machine)):
        name = match[1].removeprefix(machine.prefix)
        if states or name == machine.first:
            states[int(match[2])] = name
        if name == machine.last:
            return states
    raise LookupError(f"{machine.table} has no states from {machine.first} to {machine.last}")


def read_arrows(machine: Machine) -> list[tuple[list[str], list[str]]]:
    """Return the arrows of the table as sources and targets; an arrow with a state of another machine is another's."""
    names = {*read_states(machine).values(), "any"}
    arrows = []
    for line in _source_of(machine).splitlines():
        groups = [group.strip() for group in _ARROW.split(line.strip().lstrip("# "))]
        if len(groups) < 2 or not all(_NAMES.fullmatch(group) for group in groups):
            if "-->" in line and groups[0].split(", ")[0] in names:
                raise ValueError(f"no table of arrows in {machine.table}: {line.strip()}")
            continue
        lists = [group.split(", ") for group in groups]
        if all(name in names for group in lists for name in group):
            arrows += pairwise(lists)
    return arrows


def _source_of(machine: Machine) -> str:
    # Of the compiled version too, whose modules do not know theirs.
    return Path(gasgi.__path__[0], *machine.table.split(".")[1:]).with_suffix(".py").read_text(encoding="utf-8")


def compare(machine: Machine, moves: set[tuple[str, str]]) -> list[str]:
    """Return what is wrong between the table and the ``moves`` that were made."""
    arrows = read_arrows(machine)
    exact = {(source, target) for sources, targets in arrows for source in sources for target in targets}
    anywhere = {target for source, target in exact if source == "any"}
    wrong = [
        f"{machine.owner} moved from {source} to {target}, which no arrow of {machine.table} shows"
        for source, target in sorted(moves)
        if (source, target) not in exact and target not in anywhere
    ]
    for source, target in sorted(exact):
        if source == "any":
            is_made = any(made[1] == target and made not in exact for made in moves)
        else:
            is_made = (source, target) in moves
        if not is_made:
            wrong.append(f"no test moves {machine.owner} from {source} to {target}, as {machine.table} says")
    return wrong


class _Recorded:
    """Stands in the class in the place of the attribute, and keeps every change of its value."""

    def __init__(self, machine: Machine) -> None:
        self.owner = machine.owner
        self.attribute = machine.attribute
        self.states = read_states(machine)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else vars(instance)[self.attribute]

    def __set__(self, instance: Any, value: int) -> None:
        before = vars(instance).get(self.attribute, value)
        if before != value:
            _seen[self.owner, self.states[before], self.states[value]] += 1
        vars(instance)[self.attribute] = value


def _class_of(machine: Machine) -> Any:
    module, _, name = machine.owner.partition(":")
    return getattr(importlib.import_module(module), name)


# pytest


def pytest_configure() -> None:
    for machine in MACHINES:
        setattr(_class_of(machine), machine.attribute, _Recorded(machine))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for move, count in getattr(node, "workeroutput", {}).get("moves", ()):
        _seen[tuple(move)] += count


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["moves"] = [(list(move), count) for move, count in _seen.items()]
        return
    wrong = []
    for machine in MACHINES:
        wrong += compare(machine, {move[1:] for move in _seen if move[0] == machine.owner})
    session.config.stash[_WRONG] = wrong
    if wrong and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_WRONG = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    wrong = config.stash.get(_WRONG, [])
    terminalreporter.write_sep("=", "moves between states")
    for line in wrong or [f"{sum(_seen.values())} moves of {len(MACHINES)} machines, each along an arrow"]:
        terminalreporter.write_line(line)
