"""Answers of Azure that are kept for some seconds, so that a page may ask as often as it is drawn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Kept:
    """A failure is not kept. Different questions are asked side by side."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        with self._lock:
            kept = self._answers.get(question)
        if kept and time.monotonic() - kept[0] < self.seconds:
            known: Answer = kept[1]
            return known
        answer = ask()
        now = time.monotonic()
        with self._lock:
            self._answers = {one: kept for one, kept in self._answers.items() if now - kept[0] < self.seconds}
            self._answers[question] = (now, answer)
        return answer

    def forget(self) -> None:
        with self._lock:
            self._answers.clear()
