"""Each module names its application in ``APP``; its tests get a ``site`` on both loops: TCP, TLS, HTTP/2, behind nginx.

Over HTTP/2 ``client`` speaks it; WebSocket clients, which do not know it, use the same port over HTTP/1.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.frameworks.sites import FRONTS, LOOPS, Site, open_site
from tests.support.certificates import Certificates, make_certificates
from tests.support.nginx import mark_fronts


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=LOOPS)
def loop(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=mark_fronts(FRONTS))
def site(
    request: Any, loop: str, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with open_site(request.module.APP, request.param, certificates, folder, loop) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    def check(answer: httpx.Response) -> None:
        assert answer.http_version == ("HTTP/2" if site.speaks_http2 else "HTTP/1.1")

    with httpx.Client(
        base_url=site.http,
        verify=site.http_context or True,
        http2=site.speaks_http2,
        event_hooks={"response": [check]},
        timeout=30,
    ) as client:
        yield client
