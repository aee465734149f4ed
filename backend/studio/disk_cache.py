"""Files that could be made again: which of them stay on the disk, and what a damaged one raises.

The least recently used go first. What somebody looks at is used: a page that is open says so each time it is drawn.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

from backend.studio import background_process

IN_USE = 24 * 60 * 60.0
"""Seconds since it was used in which nothing goes, however much there is: a page may stay open over night."""
DAMAGED = (ValueError, KeyError, TypeError, EOFError, NotImplementedError, RuntimeError, BadZipFile, zlib.error)
"""What reading an `.npz` raises that was cut off, overwritten, or written by another version."""


@dataclass(frozen=True)
class _Entry:
    path: Path
    used: float
    size: int


def mark_used(path: Path) -> None:
    with suppress(OSError):  # it has just gone, or may only be read
        os.utime(path)


def keep_within(limit: int, places: Iterable[Path]) -> None:
    """Of these files, and folders of background processes, the least recently used go until the others take at most
    `limit` bytes. Never one in use, nor the folder of a process that runs.

    Several processes may do so at once: they choose the same ones.
    """
    entries = sorted(filter(None, map(_look, places)), key=lambda entry: entry.used)
    too_many = sum(entry.size for entry in entries) - limit
    for entry in entries:
        if too_many <= 0:
            return
        now = _look(entry.path)  # somebody may have begun to use it, or have removed it, which counts as well
        if now is None or _is_free(now):
            _remove(entry.path)
            too_many -= entry.size


def _look(place: Path) -> _Entry | None:
    """None where it has just gone. A folder was used when one of its files was, and takes what they take."""
    try:
        facts = [place.stat()]
        if place.is_dir():
            facts += [file.stat() for file in place.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Entry(place, max(one.st_mtime for one in facts), sum(one.st_blocks for one in facts) * 512)


def _is_free(entry: _Entry) -> bool:
    """A time far ahead comes from a clock that was wrong."""
    if abs(time.time() - entry.used) < IN_USE:
        return False
    return not entry.path.is_dir() or not background_process.is_alive(entry.path)


def _remove(path: Path) -> None:
    """In one step, so that nobody sees half of it."""
    with suppress(FileNotFoundError):
        if path.is_dir():
            gone = path.with_name(f".gone-{secrets.token_hex(4)}")
            path.replace(gone)
            shutil.rmtree(gone, ignore_errors=True)
        else:
            path.unlink()
