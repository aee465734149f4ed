"""The usable rows of some sources as one file of canonical lines, with an index: what every later step works on.

A folder with `rows.jsonl`, `rows.index` (36 bytes a row, so that any page is found at once) and `report.json`. While
it is being made, the rows that are there already can be read; it is a pure function of sources, mappings, decisions.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from backend.domain_datasets import FileFormat, ReadReport, Row
from backend.studio.row_batch import INDEX
from backend.studio.row_index import messages_of
from backend.studio.row_origins import Origins

if TYPE_CHECKING:
    import numpy as np
    from pydantic import TypeAdapter

ROWS, INDEX_FILE, REPORT = "rows.jsonl", "rows.index", "report.json"


class IndexRow(NamedTuple):
    """Where a row stands in rows.jsonl, and where it came from: the line (from 1) of which source (from 0)."""

    offset: int
    size: int
    line: int
    file: int
    facts: int
    digest: bytes


class WorkingCopy:
    """A folder made by `copy_making.make_working_copy`. While it is being made, open it anew to see more of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The rows: canonical JSONL."""
        return self.folder / ROWS

    @cached_property
    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = orjson.loads((self.folder / REPORT).read_bytes())
        return facts

    @property
    def rows(self) -> int:
        """How many there are so far."""
        return int(self._facts["rows"])

    @property
    def files(self) -> Sequence[str]:
        """The names of the sources that were read, by their number."""
        names: list[str] = self._facts["files"]
        return names

    @property
    def is_complete(self) -> bool:
        return bool(self._facts["is_complete"])

    @property
    def size(self) -> int:
        """Bytes of rows.jsonl that are there so far."""
        return int(self._facts["size"])

    def report(self) -> ReadReport:
        """Of what is read so far."""
        return self._report

    @cached_property
    def _report(self) -> ReadReport:
        report: ReadReport = _report_adapter().validate_python(self._facts["report"])
        return report

    def file_formats(self) -> Sequence[FileFormat]:
        """How each file that has any records is read, of what is read so far."""
        formats = self.report().formats
        return [FileFormat(file, self.files[file], formats[place]) for file, place in self._facts.get("read_as", ())]

    def index_rows(self, offset: int = 0, limit: int | None = None) -> list[IndexRow]:
        """In order, `limit` of them from `offset` on."""
        count = max(0, self.rows - offset) if limit is None else max(0, min(limit, self.rows - offset))
        if not count:
            return []
        with (self.folder / INDEX_FILE).open("rb") as file:
            file.seek(offset * INDEX.size)
            return [IndexRow(*fields) for fields in INDEX.iter_unpack(file.read(count * INDEX.size))]

    def page(self, offset: int, limit: int) -> list[Row]:
        """In order; fewer where there are no more."""
        found = self.index_rows(max(0, offset), limit)
        if not found:
            return []
        with self.path.open("rb") as file:
            file.seek(found[0].offset)
            piece = file.read(found[-1].offset + found[-1].size - found[0].offset)
        start = found[0].offset
        return [
            Row(one.line, messages_of(piece[one.offset - start : one.offset - start + one.size]), self.files[one.file])
            for one in found
        ]

    def pick(self, numbers: Sequence[int]) -> list[Row]:
        """Single rows by their numbers, from 0."""
        return [row for number in numbers for row in self.page(number, 1)]

    def lines(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """With their line breaks."""
        with self.path.open("rb") as file:
            for number in numbers:
                for one in self.index_rows(number, 1):
                    file.seek(one.offset)
                    yield file.read(one.size)

    def origins(self) -> Origins:
        """File and line of each row, as a saved part keeps them."""
        table = self.table()
        return Origins.of_sources(self.files, table["file"], table["line"])

    def table(self) -> np.ndarray:
        """The whole index, with the fields of `IndexRow`; digests are 16 bytes."""
        import numpy as np

        fields = [("offset", "<u8"), ("size", "<u4"), ("line", "<u4"), ("file", "<u2"), ("facts", "<u2")]
        with (self.folder / INDEX_FILE).open("rb") as file:
            return np.frombuffer(file.read(self.rows * INDEX.size), np.dtype([*fields, ("digest", "V16")]))

    def starts(self) -> array[int]:
        """Where each row begins in rows.jsonl, and at last where the last one ends."""
        table = self.table()
        starts = array("Q", table["offset"].tobytes())
        starts.append(int(table[-1]["offset"]) + int(table[-1]["size"]) if len(table) else 0)
        return starts

    def write_places(self, path: Path) -> None:
        """File (its number) and line of each row, as Parquet."""
        import numpy as np
        import polars

        table = self.table()
        frame = polars.DataFrame({name: np.ascontiguousarray(table[name]) for name in ("file", "line")})
        frame.write_parquet(path)


@lru_cache(maxsize=1)
def _report_adapter() -> TypeAdapter[ReadReport]:
    from pydantic import TypeAdapter

    return TypeAdapter(ReadReport)
