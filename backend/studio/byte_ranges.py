"""Ranges of one file copied into another, by the system where it can."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import BinaryIO

OnBytes = Callable[[int], None]
"""Told how many bytes have just been written."""

_PIECE = 16 << 20


def copy_range(
    source: BinaryIO, target: BinaryIO, start: int, end: int, on_bytes: OnBytes = lambda count: None
) -> None:
    """The bytes of `source` from `start` to `end`, to where `target` stands. Neither is buffered. Raises OSError."""
    while start < end:
        wanted = min(_PIECE, end - start)
        count = _copy_by_system(source, target, start, wanted)
        if count is None:
            source.seek(start)
            piece = source.read(wanted)
            count = len(piece)
            write_all(target, piece)
        if not count:
            raise OSError(errno.EIO, "The file is shorter than it was", source.name)
        start += count
        on_bytes(count)


def _copy_by_system(source: BinaryIO, target: BinaryIO, start: int, wanted: int) -> int | None:
    """Without the bytes passing through this process, where the system and the disk can; else None."""
    if not hasattr(os, "copy_file_range"):
        return None
    try:
        return os.copy_file_range(source.fileno(), target.fileno(), wanted, start)
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}:
            return None
        raise


def write_all(target: BinaryIO, piece: bytes) -> None:
    """All of it: an unbuffered file may take a part, as at the end of a disk."""
    written = target.write(piece)
    while written < len(piece):
        written += target.write(memoryview(piece)[written:])
