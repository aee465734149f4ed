"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


@pytest.fixture
def in_threads() -> Callable[[Callable[[], Any]], list[Any]]:
    """Calls a function from eight threads at once and gives what they returned."""

    def run(function: Callable[[], Any]) -> list[Any]:
        with ThreadPoolExecutor(8) as pool:
            return [future.result() for future in [pool.submit(function) for _ in range(8)]]

    return run
