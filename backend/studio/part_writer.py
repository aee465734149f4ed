"""Writing a part: lines, or ranges of another part copied as bytes; its index and origins come with it."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from backend.studio.row_index import RowIndex, facts_of, keep_index
from backend.studio.row_origins import Origins, keep_origins

PARTS = ("train", "eval")
_PIECE = 1 << 20
_LONGEST_RANGE = 4 << 20


def part_file(folder: Path, part: str) -> Path:
    return folder / f"{part}.jsonl"


class ContentHash:
    """SHA-256 of what is written, counted by a thread of its own: it takes longer than the copying."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def update(self, piece: bytes) -> None:
        if len(self._waiting) >= 8:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._sha.update, piece))

    def add_file(self, path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                self.update(piece)

    def hexdigest(self) -> str:
        self._pool.shutdown()
        return self._sha.hexdigest()

    def __enter__(self) -> ContentHash:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()


class PartWriter:
    """One part being written. `path` must not exist yet; it is complete after `close`."""

    def __init__(self, path: Path, content_hash: ContentHash | None = None) -> None:
        self.path = path
        self._file = path.open("xb")
        self._hash = content_hash
        self._buffer = bytearray()
        self._starts, self._facts = array("Q", [0]), array("H")
        self._origins = Origins()

    @property
    def rows(self) -> int:
        return len(self._facts)

    def write(self, line: bytes, file: str = "", number: int = 0) -> None:
        """One canonical line with its line break; `file` and `number` (from 1) say where it came from."""
        self._note(len(line), facts_of(line))
        self._origins.add(file, number)
        self._put(line)

    def copy(
        self, source: BinaryIO, spans: Iterable[tuple[int, int]], origins: Iterable[tuple[str, int]] | None = None
    ) -> None:
        """Whole rows of `source`, each as (start, end) in bytes; neighbours are read at once.

        `origins` has the file and the line of each.
        """
        where = iter(origins) if origins is not None else None
        for start, end, ends in _ranges(spans):
            source.seek(start)
            piece = source.read(end - start)
            at = 0
            for row_end in ends:
                self._note(row_end - start - at, facts_of(piece, at, row_end - start))
                self._origins.add(*next(where)) if where else self._origins.add("", 0)
                at = row_end - start
            self._put(piece)

    def copy_rows(self, index: RowIndex, numbers: Iterable[int], origins: Origins, source: BinaryIO) -> None:
        """Rows of a part whose index is there, `source` being its open file."""

        def spans() -> Iterator[tuple[int, int]]:
            for number in numbers:
                self._note(index.starts[number + 1] - index.starts[number], index.facts[number])
                self._origins.add(*origins.of(number))
                yield index.starts[number], index.starts[number + 1]

        for start, end, _ends in _ranges(spans()):
            source.seek(start)
            self._put(source.read(end - start))

    def close(self) -> None:
        """On the disk for good. Raises OSError, as for a full disk."""
        try:
            self._flush()
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()
        found = self.path.stat()
        with suppress(OSError):
            keep_index(RowIndex(self.path, self._starts, self._facts), found.st_mtime_ns, found.st_size)
            if self._origins.names:
                keep_origins(self.path, self._origins)

    def abandon(self) -> None:
        """Close without a word; the file is to be removed."""
        self._buffer.clear()
        self._file.close()

    def _note(self, size: int, facts: int) -> None:
        self._starts.append(self._starts[-1] + size)
        self._facts.append(facts)

    def _put(self, piece: bytes) -> None:
        self._buffer += piece
        if len(self._buffer) >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        piece = bytes(self._buffer)
        self._buffer.clear()
        self._file.write(piece)
        if self._hash is not None:
            self._hash.update(piece)


def _ranges(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, list[int]]]:
    """Neighbouring spans joined up to some MB: start, end, and the end of each row in it."""
    first, last = 0, 0
    ends: list[int] = []
    for start, end in spans:
        if ends and (start != last or end - first > _LONGEST_RANGE):
            yield first, last, ends
            ends = []
        if not ends:
            first = start
        last = end
        ends.append(end)
    if ends:
        yield first, last, ends
