"""Clients that meet in a room of an application: each hears what any of them says."""

from __future__ import annotations

from contextlib import ExitStack

from websockets.sync.client import connect

from tests.frameworks.sites import Site

__all__ = ["meet"]


def meet(site: Site, clients: int = 3) -> None:
    """Let ``clients`` enter ``/room``, and each speak once; the application greets who has entered."""
    with ExitStack() as stack:
        members = [stack.enter_context(connect(f"{site.ws}/room", ssl=site.context)) for _ in range(clients)]
        for member in members:
            assert member.recv(30) == "welcome"
        for number, speaker in enumerate(members):
            speaker.send(f"é said by {number}")
            assert {member.recv(30) for member in members} == {f"é said by {number}"}
