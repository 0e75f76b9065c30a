"""A page in a real browser talks over WebSockets: ws://, wss:// and behind nginx: make test-programs."""

from __future__ import annotations

import os
import signal
import subprocess
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


@pytest.mark.parametrize("front", mark_fronts(("tcp", "tls", "nginx", "nginx-tls")))
def test_a_page_opens_websockets_of_every_kind(certificates, tmp_path, loop, front):
    with open_site("tests.integration.ws_app:app", front, certificates, tmp_path, loop=loop) as site:
        host, port = site.address
        url = f"http{'s' if front.endswith('tls') else ''}://{host}:{port}/page"
        command = [find_program("chromium"), *OPTIONS, f"--user-data-dir={tmp_path}/browser", url]
        with (tmp_path / "browser.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            reports = wait_until(lambda: [line for line in site.journal() if line.startswith("/report/")], "the page")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert unquote(reports[0]).removeprefix("/report/").split("|") == SEEN
        wait_until(lambda: "left browser 4001 bye" in site.journal(), "the browser's close")
        assert "Traceback" not in site.server.stop()
