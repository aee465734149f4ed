"""Waiting for Azure: patient, and open to a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Stop = Callable[[], None]
"""Called while waiting; raises when the work was cancelled."""
POLL_SECONDS = 0.5


def go_on() -> None:
    return


def pauses(shortest: float = 0.1, longest: float = 5.0) -> Iterable[float]:
    """Seconds between questions: soon at first, then more and more patient."""
    pause = shortest
    while True:
        yield pause
        pause = min(longest, pause * 1.5)


def finish(poller: Any, stop: Stop = go_on) -> Any:
    """Wait for the SDK's poller, listening to `stop`. The vendor's errors come as they are."""
    while not poller.done():
        stop()
        poller.wait(timeout=POLL_SECONDS)
    return poller.result()
