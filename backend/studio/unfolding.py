"""How large sources may be once they are unfolded: what is small enough to be read at once, in the app's own process.

A Parquet file keeps a text that many rows share once, and says how many values each column has: so its size says
little, and what it can unfold to at most is reckoned from what it says of its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.studio.containers import expand, state_of
from backend.studio.records import SourceFile
from backend.studio.unpacking import GZIP_MAGIC, PARQUET_MAGIC, TextStream, Unreadable, open_bytes

PACKED_TIMES = 8
"""What is packed counts as so many times its size."""
HUGE_BYTES = 64 * 1024 * 1024
HUGE_TIMES = 300
"""Parquet that unfolds beyond both is not looked into in the app's own process."""
_WHOLE_ENCODINGS = frozenset({"PLAIN", "RLE", "BIT_PACKED"})
"""Each value is written whole with these. RLE is of levels and truth values, as is BIT_PACKED."""


def is_small(sources: Sequence[SourceFile], most: int) -> bool:
    """Whether all sources together are at most `most` bytes."""
    size = 0
    for source in expand(sources):
        size += _size_of(source.path)
        if size > most:
            return False
    return True


def may_be_huge(path: Path) -> bool:
    """Whether it is a Parquet file that may unfold to far more than it takes."""
    if _magic(path) != PARQUET_MAGIC:
        return False
    size = (state_of(path) or (0, 0))[0]
    unpacked = _parquet_bytes(path, is_unfolded=False)
    return unpacked > HUGE_BYTES and unpacked > HUGE_TIMES * size


def _size_of(path: Path) -> int:
    size = (state_of(path) or (0, 0))[0]
    magic = _magic(path)
    if magic == PARQUET_MAGIC:
        # Reckoned at most, and nearly always far too high: what comes of it is written to the disk, not held.
        return max(PACKED_TIMES * size, _parquet_bytes(path, is_unfolded=True) // PACKED_TIMES)
    if magic.startswith(GZIP_MAGIC):
        return PACKED_TIMES * size if not _holds_parquet(path) else HUGE_BYTES
    return size


def _parquet_bytes(path: Path, *, is_unfolded: bool) -> int:
    """What its columns take unpacked; unfolded, as if each value were as large as all that its column has. 0 for a
    damaged file, which is not read far.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        facts = parquet.read_metadata(path)
    except (pyarrow.ArrowException, OSError, ValueError, NotImplementedError, RuntimeError):
        return 0
    return sum(
        _column_bytes(facts.row_group(group).column(column), is_unfolded=is_unfolded)
        for group in range(facts.num_row_groups)
        for column in range(facts.num_columns)
    )


def _column_bytes(column: Any, *, is_unfolded: bool) -> int:
    size = max(0, int(column.total_uncompressed_size))
    if not is_unfolded or set(column.encodings) <= _WHOLE_ENCODINGS:
        return size
    return size * max(1, int(column.num_values))


def _holds_parquet(path: Path) -> bool:
    try:
        with open_bytes(path) as file:
            return TextStream(file, len(PARQUET_MAGIC)).head.startswith(PARQUET_MAGIC)
    except Unreadable:
        return False


def _magic(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(4)
    except OSError:
        return b""
