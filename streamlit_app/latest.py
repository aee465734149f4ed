"""What pages look at again and again in a place far away: the last answer at once, the next one fetched meanwhile.

A page that ticks and waits for the network at every tick is grey most of the time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Kept(Generic[T]):
    answer: T
    at: float
    error: Exception | None = None
    is_asked: bool = False


class Latest(Generic[T]):
    """Answers younger than `fresh` seconds are as good as new, older than `usable` are forgotten."""

    def __init__(self, fresh: float, usable: float = 30) -> None:
        self.fresh = fresh
        self.usable = usable
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Kept[T]] = {}

    def get(self, key: Hashable, fetch: Callable[[], T]) -> T:
        """Waits only when there is no usable answer yet. Raises what the last fetch raised, once."""
        with self._lock:
            kept = self._kept.get(key)
            age = time.monotonic() - kept.at if kept else 0.0
            if kept and (age <= self.usable or kept.is_asked):
                error, kept.error = kept.error, None
                if age > self.fresh and not kept.is_asked:
                    kept.is_asked = True
                    threading.Thread(target=self._fetch, args=(key, kept, fetch), daemon=True).start()
                if error:
                    raise error
                return kept.answer
        return self.put(key, fetch())

    def put(self, key: Hashable, answer: T) -> T:
        now = time.monotonic()
        with self._lock:
            self._kept = {name: kept for name, kept in self._kept.items() if now - kept.at <= self.usable}
            self._kept[key] = _Kept(answer, now)
        return answer

    def forget(self) -> None:
        """What is still being fetched is forgotten too: it may be from before the change."""
        with self._lock:
            self._kept.clear()

    def _fetch(self, key: Hashable, kept: _Kept[T], fetch: Callable[[], T]) -> None:
        try:
            answer = fetch()
        except Exception as error:  # noqa: BLE001  raised to whoever asks next
            with self._lock:
                kept.error, kept.is_asked, kept.at = error, False, time.monotonic()
            return
        with self._lock:
            if self._kept.get(key) is kept:
                self._kept[key] = _Kept(answer, time.monotonic())
