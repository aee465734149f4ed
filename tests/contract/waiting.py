"""Waiting for what really happens, with a deadline that names it; and where the stand-in trainer lies."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAND_IN = Path(__file__).parent / "stand_in"
DEADLINE = 60.0


def wait_until(is_so: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Poll a condition; a condition that never comes fails the test with its name."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = is_so()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:g} seconds")
