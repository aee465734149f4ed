"""One process, and one thread of it, at a time: a lock file that a killed process lets go."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from backend.errors import Conflict
from backend.i18n import _

_SECONDS_BETWEEN_TRIES = 0.05


@contextmanager
def locked(place: Path, *, seconds: float = 60) -> Iterator[None]:
    """Hold the lock file at `place`. Raises Conflict when another holds it for longer than `seconds`.

    Raises FileNotFoundError when its folder is gone.
    """
    deadline = time.monotonic() + seconds
    while (release := _try_lock(place)) is None:
        if time.monotonic() > deadline:
            raise Conflict(
                _("Another window or command is just changing this."),
                how_to_fix=_("Wait until it is done, then try again."),
                code="busy",
            )
        time.sleep(_SECONDS_BETWEEN_TRIES)
    try:
        yield
    finally:
        release()


def is_locked(place: Path) -> bool:
    """Whether a living process holds it."""
    try:
        release = _try_lock(place)
    except FileNotFoundError:
        return False
    if release is None:
        return True
    release()
    return False


def _try_lock(place: Path) -> Callable[[], None] | None:
    """How to let go, or None while another holds it. The system lets go when the process ends, however it ends."""
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return partial(os.close, descriptor)
