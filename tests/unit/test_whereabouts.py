"""Where a task waits, as far as it can be seen from outside."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
import uvloop
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from gasgi.reporting.whereabouts import Place, describe_place, find_places

Endpoint = Callable[["Scene"], Awaitable[Any]]


class Scene:
    """What the applications below wait for."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.leave = threading.Event()

    async def line_by_line(self) -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(60)
        yield b"second"

    def in_a_thread(self) -> None:
        self.leave.wait(60)


async def sleep(scene: Scene) -> None:
    await asyncio.sleep(60)


async def lock(scene: Scene) -> None:
    await scene.lock.acquire()
    async with scene.lock:
        pass


async def queue(scene: Scene) -> None:
    await scene.queue.get()


async def nested(scene: Scene) -> None:
    await queue(scene)


async def other_task(scene: Scene) -> None:
    await asyncio.create_task(nested(scene))


async def gathered(scene: Scene) -> None:
    await asyncio.gather(asyncio.sleep(0), nested(scene))


async def waited(scene: Scene) -> None:
    await asyncio.wait([asyncio.create_task(nested(scene))])


async def within_time(scene: Scene) -> None:
    await asyncio.wait_for(nested(scene), 60)


async def stream(scene: Scene) -> None:
    async for _ in scene.line_by_line():
        pass


async def group(scene: Scene) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(nested, scene)


async def thread(scene: Scene) -> None:
    await asyncio.to_thread(scene.in_a_thread)


async def pool(scene: Scene) -> None:
    await asyncio.get_running_loop().run_in_executor(None, functools.partial(scene.in_a_thread))


async def anyio_thread(scene: Scene) -> None:
    await run_in_threadpool(scene.in_a_thread)


async def iterated(scene: Scene) -> None:
    def lines() -> Any:
        scene.in_a_thread()
        yield b""

    async for _ in iterate_in_threadpool(lines()):
        pass


async def where(endpoint: Endpoint) -> list[Place]:
    scene = Scene()
    task = asyncio.get_running_loop().create_task(endpoint(scene))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    try:
        return find_places(task)
    finally:
        scene.leave.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], list[Place]]:
    def run(coroutine: Any) -> list[Place]:
        loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
        try:
            found: list[Place] = loop.run_until_complete(coroutine)
            return found
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return run


@pytest.mark.parametrize(
    ("endpoint", "function"),
    [
        (sleep, "sleep"),
        (lock, "lock"),
        (queue, "queue"),
        (nested, "queue"),
        (other_task, "queue"),
        (gathered, "queue"),
        (waited, "queue"),
        (within_time, "queue"),
        (stream, "line_by_line"),
        (group, "queue"),
        (thread, "in_a_thread"),
        (pool, "pool"),
        (anyio_thread, "in_a_thread"),
        (iterated, "in_a_thread"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_finds_the_line_of_the_application_that_waits(run, endpoint: Endpoint, function: str) -> None:
    places = run(where(endpoint))
    own = [place for place in places if place.filename == __file__]
    assert own[-1].function == function, describe_place(places)


def test_names_what_the_application_waits_in_and_who_called(run) -> None:
    text = describe_place(run(where(nested)))
    assert text.startswith("asyncio/queues.py:")
    assert f" < {__file__}:" in text
    assert text.endswith(" nested")


def test_a_variable_of_the_application_is_nothing_it_waits_for(run) -> None:
    async def endpoint(scene: Scene) -> None:
        other = asyncio.create_task(asyncio.sleep(60))
        await scene.queue.get()
        await other

    assert run(where(endpoint))[-1].function == "get"


class WaitingTask:
    """A task as far as it is looked at."""

    _fut_waiter: Any = None

    def __init__(self) -> None:
        self.coroutine = sleep(Scene())

    def get_coro(self) -> Any:
        return self.coroutine


def test_tasks_that_wait_for_each_other_are_followed_once() -> None:
    first, second = WaitingTask(), WaitingTask()
    first._fut_waiter, second._fut_waiter = second, first
    assert len(find_places(first)) == 2
    for task in (first, second):
        task.coroutine.close()


def test_a_task_that_has_not_begun_is_at_its_first_line(run) -> None:
    async def begin() -> list[Place]:
        task = asyncio.get_running_loop().create_task(sleep(Scene()))
        places = find_places(task)
        task.cancel()
        return places

    (place,) = run(begin())
    assert place.function == "sleep"


def test_asks_no_object_of_the_application_for_anything(run) -> None:
    class Lazy:
        """As proxies and lazy objects are."""

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(f"asked for {name}")

        def __len__(self) -> int:
            raise RuntimeError("asked for its length")

    code = compile("async def library(lazy, queue):\n    await queue.get()\n", "/x/site-packages/lib.py", "exec")
    names: dict[str, Any] = {}
    exec(code, names)

    async def through_a_library(scene: Scene) -> None:
        await names["library"](Lazy(), scene.queue)

    assert [place.function for place in run(where(through_a_library))] == ["through_a_library", "library", "get"]
