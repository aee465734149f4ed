"""Writing a part: lines, or ranges of another part copied as bytes; its index and origins come with it."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from backend.studio.byte_ranges import copy_range, write_all
from backend.studio.row_index import DIGEST_BYTES, RowIndex, digest_of, facts_of, keep_index
from backend.studio.row_origins import Origins, keep_origins

if TYPE_CHECKING:
    import numpy as np

PARTS = ("train", "eval")
_PIECE = 1 << 20
_SYNC_BYTES = 64 << 20


def part_file(folder: Path, part: str) -> Path:
    return folder / f"{part}.jsonl"


def keep_facts(index: RowIndex, origins: Origins) -> None:
    """What is known of a complete part, beside it; where that can't be written it is found again, or missed."""
    found = index.path.stat()
    with suppress(OSError):
        keep_index(index, found.st_mtime_ns, found.st_size)
        if origins.names:
            keep_origins(index.path, origins)


class _Syncing:
    """Begins to put a file on the disk for good while more of it is being copied, so that little is left at the end."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._pool = ThreadPoolExecutor(1)
        self._begun: list[Future[None]] = []
        self._left = 0

    def wrote(self, count: int) -> None:
        self._left += count
        if self._left > _SYNC_BYTES and (not self._begun or self._begun[-1].done()):
            self._begun.append(self._pool.submit(os.fsync, self._file))
            self._left = 0

    def finish(self) -> None:
        """Raises OSError, also of what was begun: the system tells of a failure once only."""
        for one in self._begun:
            one.result()
        os.fsync(self._file)

    def close(self) -> None:
        self._pool.shutdown()


class PartWriter:
    """One part being written. `path` must not exist yet; it is complete after `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("xb", buffering=0)
        self._sync = _Syncing(self._file.fileno())
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._starts, self._facts, self._digests = array("Q", [0]), array("H"), bytearray()
        self._origins = Origins()

    @property
    def rows(self) -> int:
        return len(self._facts)

    @property
    def index(self) -> RowIndex:
        """Of what is written so far."""
        return RowIndex(self.path, self._starts, self._facts, bytes(self._digests))

    def write(self, line: bytes, file: str = "", number: int = 0) -> None:
        """One canonical line with its line break; `file` and `number` (from 1) say where it came from."""
        self._starts.append(self._starts[-1] + len(line))
        self._facts.append(facts_of(line))
        self._digests += digest_of(line)
        self._origins.add(file, number)
        self._pieces.append(line)
        self._waiting += len(line)
        if self._waiting >= _PIECE:
            self._flush()

    def copy_rows(
        self, index: RowIndex, numbers: Sequence[int] | np.ndarray, origins: Origins, source: BinaryIO
    ) -> None:
        """Rows of a part whose index is there, `source` being its unbuffered file; neighbours are copied at once."""
        import numpy as np

        rows = np.asarray(numbers, dtype=np.int64)
        if not len(rows):
            return
        starts = np.frombuffer(index.starts, dtype=np.uint64)
        begins, ends = starts[rows], starts[rows + 1]
        self._starts.frombytes((np.cumsum(ends - begins) + np.uint64(self._starts[-1])).tobytes())
        self._facts.frombytes(np.frombuffer(index.facts, dtype=np.uint16)[rows].tobytes())
        self._digests += np.frombuffer(index.digests, dtype=f"V{DIGEST_BYTES}")[rows].tobytes()
        self._origins.take(origins, rows)
        self._flush()
        is_apart = begins[1:] != ends[:-1]
        for begin, end in zip(
            begins[np.append(True, is_apart)].tolist(), ends[np.append(is_apart, True)].tolist(), strict=True
        ):
            copy_range(source, self._file, begin, end)
            self._sync.wrote(end - begin)

    def close(self) -> None:
        """On the disk for good. Raises OSError, as for a full disk."""
        try:
            self._flush()
            self._sync.finish()
        finally:
            self.abandon()
        keep_facts(self.index, self._origins)

    def abandon(self) -> None:
        """Close without a word; the file is to be removed."""
        self._pieces.clear()
        self._sync.close()
        self._file.close()

    def _flush(self) -> None:
        write_all(self._file, b"".join(self._pieces))
        self._pieces.clear()
        self._waiting = 0
