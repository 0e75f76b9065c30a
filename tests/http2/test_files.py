"""Answers over HTTP/2 whose bodies are files: by path and by descriptor."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from gasgi.http2_codes import INTERNAL_ERROR
from gasgi.serving import file_region
from gasgi.settings import FILE_EXTENSIONS, Settings
from tests.support.http2_rig import Answer, Http2Rig, request

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def sending(*events: dict[str, Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for event in events:
            await send(event)

    return app


def path_of(path: Path) -> dict[str, Any]:
    return {"type": "http.response.pathsend", "path": str(path)}


def ask(rig: Http2Rig, method: bytes = b"GET") -> Answer:
    """Return the answer when the stream has ended; files are opened by other threads."""
    answer = rig.answer(rig.ask(request(method)))
    rig.sync_until(lambda: answer.is_whole or answer.reset_code is not None)
    return answer


def serve(app: Any) -> Http2Rig:
    return Http2Rig(app, Settings(asgi_extensions=FILE_EXTENSIONS))


def test_sends_a_file_by_its_path(file):
    with serve(sending(path_of(file))) as rig:
        assert ask(rig).body == CONTENT


def test_sends_a_part_of_an_open_file_between_pieces(file):
    with file.open("rb") as opened:
        events = [
            {"type": "http.response.zerocopysend", "file": opened, "offset": 256, "count": 512, "more_body": True},
            {"type": "http.response.body", "body": b"end"},
        ]
        with serve(sending(*events)) as rig:
            assert ask(rig).body == CONTENT[:512] + b"end"


def test_sends_no_file_to_head(file):
    with serve(sending(path_of(file))) as rig:
        answer = ask(rig, b"HEAD")
    assert (answer.status, answer.body) == (200, b"")


def test_a_file_that_is_not_there_is_a_500(tmp_path):
    with serve(sending(path_of(tmp_path / "missing"))) as rig:
        assert ask(rig).status == 500
        assert "Exception in ASGI app during GET /" in rig.errors[0]


def test_no_head_leaves_while_a_file_is_opened(file, monkeypatch):
    """However long that takes: it may fail, and then the answer is a 500."""

    async def fail(*args: Any) -> Any:
        await asyncio.sleep(0.1)  # longer than a head is held otherwise
        raise OSError(errno.EMFILE, "too many")

    with serve(sending(path_of(file))) as rig:
        with monkeypatch.context() as patch:
            patch.setattr(file_region, "_open", fail)
            patch.setattr(file_region, "PAUSES_S", (0.0,))
            assert ask(rig).status == 500
        assert ask(rig).body == CONTENT


def test_a_file_that_fails_behind_a_piece_resets_its_stream(tmp_path):
    piece = {"type": "http.response.body", "body": b"piece", "more_body": True}
    with serve(sending(piece, path_of(tmp_path / "missing"))) as rig:
        assert ask(rig).reset_code == INTERNAL_ERROR
