"""What was loaded is spared by the collector that Streamlit calls after every rerun."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterator

import pytest

from streamlit_app.garbage import MANY_MODULES, spare_libraries


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_library_is_spared_once_it_is_loaded_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    spare_libraries()
    before = gc.get_freeze_count()
    late = [[number] for number in range(10_000)]
    spare_libraries()
    assert gc.get_freeze_count() <= before
    for number in range(MANY_MODULES):
        monkeypatch.setitem(sys.modules, f"a_library.part_{number}", types.ModuleType("part"))
    spare_libraries()
    assert gc.get_freeze_count() > before + len(late) / 2
