"""Small files that several processes read and write: written whole or not at all, read without trusting them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.studio.atomic_files import write_atomically


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Atomic: a reader sees the old file or the new one, and a power cut leaves one of them."""
    write_atomically(path, json.dumps(values, ensure_ascii=False, indent=1).encode())


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
