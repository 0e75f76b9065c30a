"""http.response.pathsend and http.response.zerocopysend on real sockets: rows F3 and F4 of docs/asgi.md."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse

from gasgi.errors import ASGIMisuse, ClientDisconnected
from gasgi.serving import file_region
from gasgi.settings import FILE_EXTENSIONS, Settings
from tests.support.answers import read_response
from tests.support.served import RecordingObserver
from tests.support.tcp_server import LOOPS, on_loop, serve

GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
GET_KEPT = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CONTENT = bytes(range(256)) * 12_000  # 3 MB: more than the buffers of a socket hold

over_loops = pytest.mark.parametrize("loop_name", LOOPS)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(CONTENT)
    return path


def sending(*events: Any) -> Any:
    """Make an app that sends ``events``, of which those that are callable are called first."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in events:
            await send(event() if callable(event) else event)

    return app


def start(*headers: tuple[bytes, bytes], **keys: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": headers, **keys}


def length(size: int) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % size)


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def path_of(path: Path) -> dict[str, Any]:
    return {"type": "http.response.pathsend", "path": str(path)}


def file_of(file: Any, **keys: Any) -> dict[str, Any]:
    return {"type": "http.response.zerocopysend", "file": file, **keys}


async def fetch(served: Any, request: bytes = GET, **options: Any) -> bytes:
    reader, writer = await served.connect(**options)
    writer.write(request)
    data: bytes = await reader.read()
    writer.close()
    return data


def failing(number: int, times: int = 1_000_000, real: Any = None) -> Any:
    """Make a function that fails so many times, and then is ``real``."""
    left = [times]

    def fail(*args: Any, **keys: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(number, os.strerror(number))
        return real(*args, **keys)

    return fail


def is_open(path: Path) -> bool:
    """Whether this process has a descriptor of ``path``."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == str(path):
                return True
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return False


@over_loops
@pytest.mark.parametrize("plain_transports", [False, True])
@pytest.mark.parametrize("sendfile", [False, True])
@on_loop
async def test_f4_pathsend_sends_the_file(big: Path, loop_name: str, plain_transports: bool, sendfile: bool) -> None:
    app = sending(start(length(len(CONTENT))), path_of(big))
    async with serve(app, Settings(sendfile=sendfile), plain_transports=plain_transports) as served:
        status, _, content = read_response(await fetch(served))
        assert status == 200
        assert content == CONTENT
        await served.until(lambda: not is_open(big))


@over_loops
@pytest.mark.parametrize("is_announced", [False, True])
@on_loop
async def test_f4_starlette_uses_pathsend_only_where_it_is_announced(
    big: Path, loop_name: str, is_announced: bool
) -> None:
    """By default middleware sees the body of a file, as it does with uvicorn; a pathsend it cannot compress."""
    kinds = []

    async def files(scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            kinds.append(message["type"])
            await send(message)

        await FileResponse(big)(scope, receive, noted)

    settings = Settings(asgi_extensions=FILE_EXTENSIONS) if is_announced else Settings()
    async with serve(GZipMiddleware(files), settings) as served:
        request = b"GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        reader, writer = await served.connect()
        writer.write(request)
        head = (await reader.read()).partition(b"\r\n\r\n")[0]
        writer.close()
    assert (b"content-encoding: gzip" in head) != is_announced
    assert ("http.response.pathsend" in kinds) == is_announced
    assert ("http.response.body" in kinds) != is_announced


@over_loops
@pytest.mark.parametrize("plain_transports", [False, True])
@on_loop
async def test_f4_pathsend_works_over_tls(big: Path, loop_name: str, plain_transports: bool) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    app = sending(start(length(len(CONTENT))), path_of(big))
    async with serve(app, context=context, plain_transports=plain_transports) as served:
        data = await fetch(served, ssl=trusting, server_hostname="localhost")
        assert read_response(data)[2] == CONTENT


@over_loops
@on_loop
async def test_f4_the_kernel_sends_the_file(big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.sendfile

    def counting(*args: Any) -> int:
        size = real(*args)
        sizes.append(size)
        return size

    monkeypatch.setattr(os, "sendfile", counting)
    async with serve(sending(start(length(len(CONTENT))), path_of(big))) as served:
        assert read_response(await fetch(served))[2] == CONTENT
    assert sum(sizes) == len(CONTENT)


@over_loops
@on_loop
async def test_f4_a_file_the_kernel_cannot_send_is_read(
    big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*args: Any) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", cannot)
    async with serve(sending(start(length(len(CONTENT))), path_of(big))) as served:
        assert read_response(await fetch(served))[2] == CONTENT


@over_loops
@pytest.mark.parametrize("has_descriptors", [True, False])
@on_loop
async def test_f4_a_client_that_reads_slowly_gets_all_of_it_and_the_next_answer(
    big: Path, loop_name: str, has_descriptors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_descriptors:
        monkeypatch.setattr(os, "dup", failing(errno.EMFILE))
    async with serve(sending(start(length(len(CONTENT))), path_of(big))) as served:
        reader, writer = await served.connect(limit=4096)
        for _ in range(2):
            writer.write(GET_KEPT)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"connection: close" not in head
            got = bytearray()
            while len(got) < len(CONTENT):
                got += await reader.read(65536)
                await asyncio.sleep(0)
            assert got == CONTENT
        writer.close()


@over_loops
@on_loop
async def test_f4_a_small_file_leaves_in_one_write(tmp_path: Path, loop_name: str) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    async with serve(sending(start(), path_of(path))) as served:
        _, fields, content = read_response(await fetch(served))
        assert (fields[b"content-length"], content) == (b"5", b"small")


@over_loops
@on_loop
async def test_f4_head_reads_nothing(big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(sending(start(length(len(CONTENT))), path_of(big))) as served:
        monkeypatch.delattr(os, "sendfile")
        data = await fetch(served, GET.replace(b"GET", b"HEAD"))
        assert data.endswith(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(CONTENT) in data


@over_loops
@pytest.mark.parametrize("name", ["missing", "."])
@on_loop
async def test_f4_a_file_that_cannot_be_opened_raises_before_anything_is_sent(
    tmp_path: Path, loop_name: str, name: str
) -> None:
    async with serve(sending(start(length(5)), path_of(tmp_path / name))) as served:
        assert read_response(await fetch(served))[0] == 500
        assert served.log.levels("exception") == ["Exception in ASGI app during GET /"]


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_region, "PAUSES_S", (0.0, 0.001, 0.001))


@over_loops
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("call", ["open", "dup"])
@pytest.mark.usefixtures("short_pauses")
@on_loop
async def test_f4_an_answer_waits_for_a_free_descriptor(
    big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    with big.open("rb") as file:
        monkeypatch.setattr(os, call, failing(number, 3, getattr(os, call)))
        async with serve(sending(start(), path_of(big) if call == "open" else file_of(file))) as served:
            assert read_response(await fetch(served))[2] == CONTENT


@over_loops
@pytest.mark.parametrize(("number", "most"), [(errno.EMFILE, 4), (errno.EACCES, 1)])
@pytest.mark.usefixtures("short_pauses")
@on_loop
async def test_f4_without_a_descriptor_it_fails_before_anything_is_sent(
    big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch, number: int, most: int
) -> None:
    monkeypatch.setattr(os, "open", failing(number, most, os.open))
    async with serve(sending(start(), path_of(big))) as served:
        assert read_response(await fetch(served))[0] == 500
        assert served.log.levels("exception") == ["Exception in ASGI app during GET /"]
        assert read_response(await fetch(served))[2] == CONTENT


@over_loops
@on_loop
async def test_f4_no_head_leaves_while_a_file_is_opened(
    big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes: it may fail, and then the answer is a 500."""
    monkeypatch.setattr(file_region, "PAUSES_S", (0.1,))
    monkeypatch.setattr(os, "open", failing(errno.EMFILE, 2, os.open))
    async with serve(sending(start(), path_of(big))) as served:
        assert read_response(await fetch(served))[0] == 500
        assert read_response(await fetch(served))[2] == CONTENT


@over_loops
@on_loop
async def test_f3_the_head_leaves_before_the_first_bytes_of_a_pipe(loop_name: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, os.fdopen(writing, "wb") as pipe:
        async with serve(sending(start(), file_of(file))) as served:
            reader, writer = await served.connect()
            writer.write(GET)
            assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            pipe.write(b"late")
            pipe.close()
            assert b"late" in await asyncio.wait_for(reader.read(), 30)
            writer.close()


def test_f4_the_wait_for_a_descriptor_is_about_three_seconds() -> None:
    assert 2.5 <= sum(file_region.PAUSES_S) <= 3.5
    assert list(file_region.PAUSES_S) == sorted(file_region.PAUSES_S)


@over_loops
@on_loop
async def test_f4_a_file_that_grew_is_sent_as_far_as_announced(big: Path, loop_name: str) -> None:
    async with serve(sending(start(length(1_000_000)), path_of(big))) as served:
        assert read_response(await fetch(served))[2] == CONTENT[:1_000_000]


@over_loops
@pytest.mark.parametrize("sendfile", [False, True])
@on_loop
async def test_f4_a_file_cut_while_it_is_sent_ends_the_connection(big: Path, loop_name: str, sendfile: bool) -> None:
    seen: list[Exception] = []

    big.write_bytes(CONTENT * 8)  # 24 MB
    app_length = len(CONTENT) * 8

    async def long_app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(length(app_length)))
        try:
            await send(path_of(big))
        except OSError as exc:
            seen.append(exc)

    async with serve(long_app, Settings(sendfile=sendfile)) as served:
        reader, writer = await served.connect(limit=4096)
        writer.write(GET_KEPT)
        await reader.readuntil(b"\r\n\r\n")
        os.truncate(big, 1000)
        rest = await reader.read()
        assert len(rest) < app_length
        assert len(seen) == 1
        assert not isinstance(seen[0], ClientDisconnected)
        writer.close()


@over_loops
@pytest.mark.parametrize("sendfile", [False, True])
@on_loop
async def test_f4_a_client_that_leaves_half_way_leaves_no_descriptor(big: Path, loop_name: str, sendfile: bool) -> None:
    seen: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(length(len(CONTENT) * 8)))
        try:
            await send(path_of(big))
        except OSError as exc:
            seen.append(exc)
            raise

    big.write_bytes(CONTENT * 8)
    observer = RecordingObserver()
    async with serve(app, Settings(sendfile=sendfile)) as served:
        served.runtime.observer = observer
        reader, writer = await served.connect(limit=4096)
        writer.write(GET_KEPT)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await served.until(lambda: not served.runtime.connections and not served.runtime.conversations)
        await served.until(lambda: not is_open(big))
        assert [type(exc) for exc in seen] == [ClientDisconnected]
        assert served.log.levels("exception", "error", "warning") == []
    ((_, status, sent_bytes),) = observer.answers
    assert status == 200
    assert 0 < sent_bytes < len(CONTENT) * 8


@over_loops
@pytest.mark.parametrize("has_descriptors", [True, False])
@on_loop
async def test_f4_a_client_that_takes_nothing_is_cut_off_by_the_write_timeout(
    big: Path, loop_name: str, has_descriptors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_descriptors:
        monkeypatch.setattr(os, "dup", failing(errno.EMFILE))
    big.write_bytes(CONTENT * 8)
    app = sending(start(length(len(CONTENT) * 8)), path_of(big))
    async with serve(app, Settings(write_timeout_s=0.5)) as served:
        reader, writer = await served.connect(limit=1024)
        writer.write(GET_KEPT)
        await reader.readuntil(b"\r\n\r\n")
        await served.until(lambda: not served.runtime.connections)
        writer.transport.abort()


@over_loops
@on_loop
async def test_f3_zerocopysend_mixes_with_body_pieces_and_leaves_the_file_open(big: Path, loop_name: str) -> None:
    with big.open("rb") as file:
        events = (
            start(),
            body(b"<", True),
            file_of(file, offset=10, count=5, more_body=True),
            body(b"|", True),
            file_of(file.fileno(), offset=256, count=1_000_000, more_body=True),
            file_of(file, count=0, more_body=True),
            body(b">"),
        )
        async with serve(sending(*events)) as served:
            _, fields, content = read_response(await fetch(served))
        assert fields[b"transfer-encoding"] == b"chunked"
        assert content == b"<" + CONTENT[10:15] + b"|" + CONTENT[256:1_000_256] + b">"
        assert file.read(3) == CONTENT[:3]


@over_loops
@pytest.mark.parametrize("as_descriptor", [False, True])
@on_loop
async def test_f3_without_an_offset_the_file_is_sent_from_where_it_stands(
    big: Path, loop_name: str, as_descriptor: bool
) -> None:
    with big.open("rb", buffering=0 if as_descriptor else -1) as file:
        file.read(7)
        given = file.fileno() if as_descriptor else file
        app = sending(
            start(), file_of(given, count=3, more_body=True), file_of(given, count=500_000, more_body=True), body(b".")
        )
        async with serve(app) as served:
            assert read_response(await fetch(served))[2] == CONTENT[7:500_010] + b"."
        assert file.tell() == 500_010


@over_loops
@on_loop
async def test_f3_zerocopysend_ends_the_response_with_a_length(big: Path, loop_name: str) -> None:
    with big.open("rb") as file:
        async with serve(sending(start(), file_of(file))) as served:
            _, fields, content = read_response(await fetch(served))
            assert fields[b"content-length"] == b"%d" % len(CONTENT)
            assert content == CONTENT


@over_loops
@on_loop
async def test_f3_pipes_are_sent_until_they_end(loop_name: str) -> None:
    read_end, write_end = os.pipe()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(file_of(read_end))

    async with serve(app) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        os.write(write_end, b"one")
        data = await reader.readuntil(b"one")
        os.write(write_end, b"two")
        os.close(write_end)
        data += await reader.read()
        writer.close()
        assert read_response(data)[2] == b"onetwo"
    os.close(read_end)


@over_loops
@pytest.mark.usefixtures("short_pauses")
@on_loop
async def test_f3_a_pipe_waits_for_a_free_descriptor(loop_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"piped")
    os.close(write_end)
    async with serve(sending(start(), file_of(read_end))) as served:
        monkeypatch.setattr("select.epoll", failing(errno.EMFILE, 3, select.epoll))
        assert read_response(await fetch(served))[2] == b"piped"
    os.close(read_end)


@over_loops
@on_loop
async def test_f3_trailers_follow_a_file(big: Path, loop_name: str) -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    request = GET.replace(b"close", b"close, TE\r\nTE: trailers")
    async with serve(sending(start(trailers=True), path_of(big), trailers)) as served:
        data = await fetch(served, request)
    assert data.endswith(b"\r\n0\r\nx-sum: 1\r\n\r\n")
    assert CONTENT in data


@over_loops
@on_loop
async def test_f3_nothing_else_is_sent_while_a_file_is_on_its_way(big: Path, loop_name: str) -> None:
    seen: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        sender = asyncio.ensure_future(send(path_of(big)))
        await asyncio.sleep(0)
        try:
            await send(body(b"x"))
        except RuntimeError as exc:
            seen.append(exc)
        await sender

    async with serve(app) as served:
        assert read_response(await fetch(served))[2] == CONTENT
    assert len(seen) == 1


@over_loops
@on_loop
async def test_f3_two_files_are_not_sent_at_once(big: Path, loop_name: str) -> None:
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        found.extend(await asyncio.gather(send(path_of(big)), send(path_of(big)), return_exceptions=True))

    async with serve(app) as served:
        assert read_response(await fetch(served))[2] == CONTENT
    assert found[0] is None
    assert isinstance(found[1], ASGIMisuse)


@over_loops
@on_loop
async def test_f4_nothing_is_sent_over_a_descriptor_that_is_no_longer_the_clients(
    big: Path, loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client shuts its side in the middle of its body and of its answer, which closes the connection."""
    real, calls, strangers = os.sendfile, [], []
    raised: list[BaseException] = []

    def sendfile(target: int, source: int, offset: int, count: int) -> int:
        calls.append(target)
        try:
            os.fstat(target)
        except OSError:
            strangers.append(target)
        if len(calls) == 2:
            writer.write_eof()
        return real(target, source, offset, min(count, 4096))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(start(length(len(CONTENT))))
            await send(path_of(big))
        except BaseException as exc:
            raised.append(exc)
            raise

    monkeypatch.setattr(os, "sendfile", sendfile)
    async with serve(app) as served:
        reader, writer = await served.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
        data = await reader.read()
        await served.until(lambda: bool(raised))
        writer.close()
    assert len(data) < len(CONTENT)
    assert strangers == []
    assert isinstance(raised[0], ClientDisconnected)


@over_loops
@on_loop
async def test_f4_a_file_whose_sender_was_forgotten_never_reaches_the_next_answer(big: Path, loop_name: str) -> None:
    forgotten: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        forgotten.append(asyncio.ensure_future(send(path_of(big))))

    async with serve(app) as served:
        data = await fetch(served, GET_KEPT + GET)
        assert data.count(b"HTTP/1.1 500 ") == 1
        assert CONTENT[:1000] not in data
        await asyncio.gather(*forgotten, return_exceptions=True)
