"""Small files that several processes read and write: written whole or not at all, read without trusting them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.domain import LogChunk

LOG_TAIL = 64 * 1024
LOG_CHUNK = 1024 * 1024


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Atomic: a reader sees the old file or the new one, and a power cut leaves one of them."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(values, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """None when it is absent or no JSON object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[int]:
    """Held by one process at a time; the system frees it when its holder dies. Yields the descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def read_log(path: Path, since: int | None) -> LogChunk:
    """From byte `since` at most 1 MiB; None means the last 64 KiB. Cuts between characters and, at a tail, lines."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - LOG_TAIL) if since is None else min(since, size)
            file.seek(start)
            data = file.read(LOG_CHUNK)
    except FileNotFoundError:
        return LogChunk("", 0, 0)
    if since is None and start > 0:
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    data = data[: len(data) - _unfinished_character(data)]
    return LogChunk(data.decode("utf-8", "replace"), start, start + len(data))


def _unfinished_character(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character whose rest is not written yet."""
    for count in range(1, min(3, len(data)) + 1):
        byte = data[-count]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return count if length > count else 0
    return 0
