"""``twin`` is the module under test, pure and then compiled; the test module says which: ``TWIN_OF = "_writer"``."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.support.twins import TWINS, load_twin


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return load_twin(request.module.TWIN_OF, request.param)
