"""A working copy while it is being made: batches are placed in order, and readers see what is published."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import orjson

from backend.domain_datasets import Decision, RecordFormat
from backend.studio.atomic_files import write_atomically
from backend.studio.formats import UNKNOWN
from backend.studio.row_batch import INDEX, Batch, Tally
from backend.studio.row_index import RowIndex, keep_index
from backend.studio.working_copy import INDEX_FILE, REPORT, ROWS, WorkingCopy


class CopyWriter:
    """`rows` and `size` are what is placed so far; several processes may each write what was placed for them."""

    def __init__(self, folder: Path, files: Sequence[str], decisions: Mapping[str, Decision]) -> None:
        self.folder = folder
        self.tally = Tally()
        self.rows = self.size = 0
        self._files = list(files)
        self._decisions = decisions
        self._forms: list[RecordFormat] = []
        self._places: dict[bytes, int] = {}
        self._read_as: list[tuple[int, int]] = []
        for name in (ROWS, INDEX_FILE):
            (folder / name).write_bytes(b"")
        self.publish()

    def note_form(self, file: int, form: RecordFormat) -> None:
        """The file with this number is read by it."""
        place = self._places.setdefault(orjson.dumps(form), len(self._forms))
        if place == len(self._forms):
            self._forms.append(form)
        self._read_as.append((file, place))

    @property
    def form(self) -> RecordFormat:
        """That of the first file, unless there is one that a person should look at."""
        forms = self._forms
        return next((form for form in forms if not form.is_sure), forms[0] if forms else UNKNOWN)

    def place(self, rows: int, size: int) -> tuple[int, int]:
        """Room for the next rows: the number of the first, and the offset of its line."""
        found = self.rows, self.size
        self.rows += rows
        self.size += size
        return found

    def publish(self, rows: int = 0, size: int = 0, *, is_complete: bool = False) -> None:
        """What is written up to here can be read: so many rows, so many bytes."""
        facts = {
            "files": self._files,
            "rows": rows,
            "size": size,
            "is_complete": is_complete,
            "read_as": self._read_as,
            "report": replace(self.tally.report(self.form, self._files, self._decisions), formats=tuple(self._forms)),
        }
        write_atomically(self.folder / REPORT, orjson.dumps(facts), is_synced=False)

    def finish(self) -> WorkingCopy:
        """All is written: whoever reads the rows finds their index kept beside."""
        copy = WorkingCopy(self.folder)
        self.publish(self.rows, self.size, is_complete=True)
        table = copy.table()
        starts, facts = array("Q", table["offset"].tobytes()), array("H", table["facts"].tobytes())
        starts.append(self.size)
        keep_index(
            RowIndex(copy.path, starts, facts, table["digest"].tobytes()), copy.path.stat().st_mtime_ns, self.size
        )
        return copy


class Places:
    """The two files of a working copy, open for writing at the places that were given."""

    def __init__(self, folder: Path) -> None:
        self._rows = (folder / ROWS).open("r+b", buffering=0)
        self._index = (folder / INDEX_FILE).open("r+b", buffering=0)

    def write(self, batch: Batch, row: int, offset: int, lines_before: int = 0) -> None:
        """Raises OSError, as for a full disk."""
        _write_at(self._rows, offset, b"".join(batch.lines))
        _write_at(self._index, row * INDEX.size, batch.index(offset, lines_before))

    def close(self) -> None:
        self._rows.close()
        self._index.close()


def _write_at(file: IO[bytes], offset: int, data: bytes) -> None:
    file.seek(offset)
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
