"""SIGTERM: while training the step is finished and a checkpoint saved, anywhere else the job ends at once."""

from __future__ import annotations

import signal
from types import FrameType

from .failures import StopRequested


class StopSwitch:
    def __init__(self) -> None:
        self.is_requested = False
        self.is_training = False

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.is_requested = True
        if not self.is_training:
            raise StopRequested
