"""A page in a real browser talks over WebSockets: ws://, wss://, behind nginx and over HTTP/2: make test-programs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.gunicorn import wait_until
from tests.support.nginx import mark_fronts
from tests.support.programs import find_program
from tests.support.ws_sites import open_site

pytestmark = pytest.mark.needs_program("chromium")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--ignore-certificate-errors",
)  # fmt: skip
SEEN = [
    "permessage-deflate", "text", "0-255-7", "true", "true", "4002", "because: é", "true", "second", "1006",
    "hello room",
]  # fmt: skip


@contextlib.contextmanager
def browsing(url: str, folder: Path) -> Iterator[None]:
    """Have the page open in a browser."""
    command = [find_program("chromium"), *OPTIONS, f"--user-data-dir={folder}/browser", url]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("front", mark_fronts(("tcp", "tls", "nginx", "nginx-tls")))
def test_a_page_opens_websockets_of_every_kind(certificates, tmp_path, loop, front):
    with open_site("tests.integration.ws_app:app", front, certificates, tmp_path, loop=loop) as site:
        host, port = site.address
        with browsing(f"http{'s' if front.endswith('tls') else ''}://{host}:{port}/page", tmp_path):
            reports = wait_until(lambda: [line for line in site.journal() if line.startswith("/report/")], "the page")
        assert unquote(reports[0]).removeprefix("/report/").split("|") == SEEN
        wait_until(lambda: "left browser 4001 bye" in site.journal(), "the browser's close")
        assert "Traceback" not in site.server.stop()


def test_a_page_over_http2_streams_an_upload_and_opens_websockets_beside_it(start, certificates, tmp_path, loop):
    options = ("--certfile", certificates.cert, "--keyfile", certificates.key, "--access-logfile", "-")
    server = start("tests.integration.http2_app:app", *options, loop=loop, config='http_protocols = "h2,h1"\n')
    with browsing("https://{}:{}/page".format(*server.address), tmp_path):
        server.wait_for(r'"GET /report/')
    found = re.search(r'"GET /report/(\S*) HTTP/2.0" 200', server.log)
    assert found, server.log
    length, *talks = unquote(found[1]).split("|")
    assert length == "160000"
    assert talks[:3] == [f"permessage-deflate,100000,number {n},{4000 + n},enough,true" for n in (1, 2, 3)]
    assert sorted(talks[3:6]) == [f"permessage-deflate,100000,number {n},{4000 + n},enough,true" for n in (4, 5, 6)]
    assert talks[6:] == ["together", "1006"]
    assert server.log.count('"CONNECT /ws HTTP/2.0" 200') == 6
    assert server.log.count('"CONNECT /refused HTTP/2.0" 403') == 1
    assert "Traceback" not in server.stop()
