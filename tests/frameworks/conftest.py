"""Each module names its application in ``APP``; its tests get a ``site`` over TCP, over TLS and behind nginx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.frameworks.sites import FRONTS, Authority, Site, open_site


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", params=FRONTS)
def site(request: Any, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with open_site(request.module.APP, request.param, authority, folder) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.http, verify=site.context or True, timeout=30) as client:
        yield client
