"""A log that grows, read piece by piece: cut between characters and, at a tail, between lines."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from backend.domain import LogChunk

LOG_TAIL = 64 * 1024
LOG_CHUNK = 1024 * 1024


def start_of(size: int, since: int | None) -> int:
    """Where to begin in a log of so many bytes: at `since`; None means the last 64 KiB."""
    return max(0, size - LOG_TAIL) if since is None else min(since, size)


def chunk_of(data: bytes, start: int, since: int | None) -> LogChunk:
    """Of the bytes from `start_of` on. A character whose rest is not written yet is left for the next piece."""
    if since is None and start > 0:
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return LogChunk(text, start, start + len(data) - len(decoder.getstate()[0]))


def read_log(path: Path, since: int | None) -> LogChunk:
    """From byte `since` at most 1 MiB; None means the last 64 KiB. Empty where there is no such file."""
    try:
        with path.open("rb") as file:
            start = start_of(file.seek(0, os.SEEK_END), since)
            file.seek(start)
            return chunk_of(file.read(LOG_CHUNK), start, since)
    except FileNotFoundError:
        return LogChunk("", 0, 0)
