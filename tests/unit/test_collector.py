"""The garbage collector's threshold: raised before the application is loaded, never against anybody's own choice."""

from __future__ import annotations

import gc

import pytest

from gasgi.settings import Settings
from gasgi.worker import collector as module
from gasgi.worker.collector import freeze_collector, raise_collector_threshold


@pytest.fixture(autouse=True)
def collector(monkeypatch):
    monkeypatch.setattr(module, "BEFORE_APPLICATION", (700, *gc.get_threshold()[1:]))
    thresholds, was_enabled = gc.get_threshold(), gc.isenabled()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    if was_enabled:
        gc.enable()


def test_the_threshold_is_raised_and_the_older_generations_keep_theirs():
    gc.set_threshold(700, 10, 10)
    older = gc.get_threshold()[1:]
    raise_collector_threshold(Settings(gc_threshold=5000))
    assert gc.get_threshold() == (5000, *older)


def test_a_lower_threshold_of_a_preloaded_application_is_left_alone():
    gc.set_threshold(500)
    raise_collector_threshold(Settings(gc_threshold=5000))
    assert gc.get_threshold()[0] == 500


@pytest.mark.parametrize("own", [0, 5000, 50_000])
def test_a_threshold_that_is_higher_or_off_is_left_alone(own):
    gc.set_threshold(own)
    raise_collector_threshold(Settings(gc_threshold=5000))
    assert gc.get_threshold()[0] == own


def test_0_leaves_pythons_threshold():
    gc.set_threshold(700)
    raise_collector_threshold(Settings(gc_threshold=0))
    assert gc.get_threshold()[0] == 700


def test_a_collector_that_is_switched_off_is_left_alone():
    gc.set_threshold(700)
    gc.disable()
    raise_collector_threshold(Settings())
    assert gc.get_threshold()[0] == 700
    assert not gc.isenabled()


def test_freezing_takes_what_exists_from_later_collections():
    freeze_collector(Settings(gc_freeze=False), is_heap_shared=False)
    assert gc.get_freeze_count() == 0
    freeze_collector(Settings(), is_heap_shared=False)
    assert gc.get_freeze_count() > 1000


@pytest.mark.parametrize("is_heap_shared", [False, True])
def test_a_shared_heap_is_frozen_without_a_collection(is_heap_shared):
    collected = []
    gc.callbacks.append(lambda phase, info: collected.append(phase))
    try:
        freeze_collector(Settings(), is_heap_shared)
    finally:
        gc.callbacks.pop()
    assert (collected == []) == is_heap_shared
    assert gc.get_freeze_count() > 1000
