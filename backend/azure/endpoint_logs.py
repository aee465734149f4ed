"""One growing log per endpoint, made of what Azure shows: the last lines of a container, as long as it lives.

The file on this computer only ever grows, so that an offset stays true; a deployment's lines outlive it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from backend.azure.errors import without_secrets
from backend.domain import LogChunk
from backend.log_chunks import read_log

CONTAINER_LOGS = "Container logs:"
"""Above this line Azure writes the state of the machine, which changes from call to call."""


class EndpointLog:
    _lock = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, deployment: str, shown: str) -> None:
        """`shown` is what Azure shows now; only what is new is written."""
        lines = without_secrets(container_part(shown)).splitlines()
        if not lines:
            return
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kept = self._section(deployment)
            new = unseen(kept or (), lines)
            if kept is None:
                new = [_heading(deployment), *new]
            if new:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write("".join(f"{line}\n" for line in new))

    def _section(self, deployment: str) -> list[str] | None:
        """The lines after the last heading, when that is of this deployment."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        for place in range(len(lines) - 1, -1, -1):
            if lines[place].startswith("== ") and lines[place].endswith(" =="):
                return lines[place + 1 :] if lines[place] == _heading(deployment) else None
        return None

    def read(self, since: int | None) -> LogChunk:
        """As `read_log`."""
        return read_log(self.path, since)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def _heading(deployment: str) -> str:
    return f"== {deployment} =="


def container_part(shown: str) -> str:
    head, found, rest = shown.partition(CONTAINER_LOGS)
    return rest.lstrip("\n") if found else head


def unseen(kept: Sequence[str], shown: Sequence[str]) -> list[str]:
    """The lines of `shown` that follow on `kept`: what ends the one and begins the other was seen.

    The last kept line may have been caught half written; then its whole form counts as new.
    """
    for end in (len(kept), len(kept) - 1):
        for length in range(min(end, len(shown)), 0, -1):
            if list(kept[end - length : end]) == list(shown[:length]):
                rest = list(shown[length:])
                is_whole = end == len(kept) or (rest and rest[0].startswith(kept[-1]))
                if is_whole:
                    return rest
    return list(shown)
