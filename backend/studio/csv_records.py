"""Tables as text (CSV, TSV, semicolons): a row is a record of its columns. Line breaks in quotes, a header or none.

A row with too many or too few cells is broken, with its line; after a quote that is never closed reading goes on at
the next line.
"""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.i18n import _
from backend.studio import column_names
from backend.studio.json_lines import read_blocks
from backend.studio.records import MAX_RECORD_BYTES, RAW_BYTES, Broken, Record, too_long
from backend.studio.unpacking import Read

DELIMITERS = (",", "\t", ";", "|")
_KNOWN_NAMES = frozenset(
    name
    for names in (
        column_names.QUESTIONS,
        column_names.ANSWERS,
        column_names.SYSTEM,
        column_names.CONTEXT,
        column_names.GUESSED_QUESTIONS,
        column_names.GUESSED_ANSWERS,
        column_names.IGNORED,
    )
    for name in names
)
_HALF = re.compile("[\udc80-\udcff]")
csv.field_size_limit(MAX_RECORD_BYTES)


@dataclass(frozen=True)
class Table:
    """How a table is written. `columns` is empty where it has no header."""

    delimiter: str
    columns: tuple[str, ...]
    width: int


def recognise_table(head: bytes, *, is_whole: bool, is_named_so: bool) -> Table | None:
    """The way the first rows are written; None where they are no table. `is_named_so`: its name ends so."""
    if not is_whole:
        head = head[: head.rfind(b"\n") + 1] or head
    text = head.decode("utf-8", "replace")
    best: tuple[float, str, list[list[str]]] | None = None
    for delimiter in DELIMITERS:
        rows = _first_rows(text, delimiter)
        if not rows:
            continue
        width = len(rows[0])
        alike = sum(len(row) == width for row in rows) / len(rows)
        if width < 2 or (alike < 0.5 and not is_named_so):
            continue
        score = alike + min(width, 10) / 100
        if best is None or score > best[0]:
            best = (score, delimiter, rows)
    if best is None:
        rows = _first_rows(text, ",")
        return _table(",", rows) if is_named_so and rows else None
    _score, delimiter, rows = best
    if not is_named_so and (len(rows) < 2 or _is_prose(rows, delimiter)):
        return None
    return _table(delimiter, rows)


def _first_rows(text: str, delimiter: str, limit: int = 50) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):  # a line ends as in `read_table`
            if row:
                rows.append(row)
            if len(rows) == limit:
                break
    except csv.Error:
        pass
    return rows


def _is_prose(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Running text has commas too: a different number a line, or a space after most."""
    if len({len(row) for row in rows}) == 1 and (delimiter != "," or len(rows) > 2):
        return False
    cells = [cell for row in rows for cell in row[1:]]
    return delimiter in ",;" and sum(cell.startswith(" ") for cell in cells) > len(cells) / 2


def _table(delimiter: str, rows: Sequence[Sequence[str]]) -> Table:
    first = [cell.strip() for cell in rows[0]]
    width = max(len(first), round(statistics.median(len(row) for row in rows)))
    if _is_header(first, rows[1:]):
        return Table(delimiter, tuple(_distinct(first)), len(first))
    return Table(delimiter, (), width)


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Names are short, all different, none empty and none a sentence or a number."""
    if not all(first) or len({name.casefold() for name in first}) < len(first):
        return bool(first) and _has_known_name(first)
    if any(len(name) > 64 or name[-1] in ".?!" or name.replace(".", "").isdigit() for name in first):
        return False
    if _has_known_name(first) or not rows:
        return True
    if any(len(name.split()) > 4 for name in first):
        return False
    longest = max((len(cell) for row in rows for cell in row), default=0)
    return longest > 2 * max(len(name) for name in first)


def _has_known_name(first: Sequence[str]) -> bool:
    return any(column_names.bare(name) in _KNOWN_NAMES for name in first)


def _distinct(names: Sequence[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        name = name.removeprefix("\ufeff") or f"column {place}"
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


class _Lines:
    """Physical lines for csv.reader, which may be given back; counts them from 1."""

    def __init__(self, read: Read) -> None:
        self._blocks = read_blocks(read)
        self._waiting: deque[str] = deque()
        self.line = 0
        self.taken: list[str] = []
        self._size = 0
        self._longest = MAX_RECORD_BYTES
        self.is_cut_short = False
        self.too_long: bytes | None = None

    def start_row(self) -> None:
        self.taken, self._size, self.is_cut_short, self.too_long = [], 0, False, None

    def give_back(self, lines: Sequence[str]) -> None:
        self._waiting.extendleft(reversed(lines))
        self.line -= len(lines)
        self._longest = max(64 * 1024, self._longest // 2)  # many open quotes must not each cost a long look

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > self._longest:
            self.is_cut_short = True
            raise StopIteration
        while not self._waiting:
            block = next(self._blocks, None)
            if block is None:
                self.is_cut_short = bool(self.taken)
                raise StopIteration
            if block.is_too_long:
                self.line += 1
                self.too_long = block.data
                self.is_cut_short = True
                raise StopIteration
            lines = block.data.decode("utf-8", "surrogateescape").split("\n")
            if not lines[-1]:
                lines.pop()
            self._waiting.extend(line + "\n" for line in lines)
        line = self._waiting.popleft()
        self.line += 1
        self._size += len(line)
        self.taken.append(line)
        return line


def read_table(read: Read, table: Table, file: int) -> Iterator[Record | Broken]:
    """Each record is an object of texts by column (`column 1` ... where there is no header)."""
    lines = _Lines(read)
    columns = table.columns or tuple(f"column {place}" for place in range(1, table.width + 1))
    is_header = bool(table.columns)
    reader = csv.reader(lines, delimiter=table.delimiter)
    while True:
        lines.start_row()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield _unreadable_row(lines, file, str(error))
            reader = csv.reader(lines, delimiter=table.delimiter)
            continue
        if lines.is_cut_short:
            reader = csv.reader(lines, delimiter=table.delimiter)
            yield _open_quote(lines, file)
            continue
        if cells is None:
            return
        if is_header:
            is_header = False
            continue
        if any(cell.strip() for cell in cells):
            yield _row(cells, columns, file, lines.line - len(lines.taken) + 1)


def _row(cells: list[str], columns: Sequence[str], file: int, line: int) -> Record | Broken:
    if len(cells) != len(columns):
        return Broken(
            file,
            line,
            "ragged_row",
            _("The row has {count} cells, the table {columns} columns.").format(count=len(cells), columns=len(columns)),
            _("Put text that has a comma or a line break into quotes, and give each row the same number of cells."),
            _as_json(cells),
        )
    record = dict(zip(columns, cells, strict=True))
    if any(not cell.isascii() and _HALF.search(cell) for cell in cells):
        return Broken(
            file,
            line,
            "not_utf8",
            _("The row is not UTF-8 text."),
            _("Save the table with the encoding UTF-8 (Excel: CSV UTF-8)."),
            _as_json(record),
        )
    return Record(file, line, record)


def _open_quote(lines: _Lines, file: int) -> Broken:
    """A quote was opened that does not end within reason: only its own line is given up."""
    if lines.too_long is not None and not lines.taken:
        return too_long(file, lines.line, lines.too_long)
    line = lines.line - len(lines.taken) + 1 - (lines.too_long is not None)
    first = lines.taken[0] if lines.taken else ""
    lines.give_back(lines.taken[1:])
    return Broken(
        file,
        line,
        "quote_not_closed",
        _("A quote that opens in this row is never closed."),
        _("Close it, or write a quote inside of a text twice."),
        first.encode("utf-8", "surrogateescape")[:RAW_BYTES],
    )


def _unreadable_row(lines: _Lines, file: int, reason: str) -> Broken:
    line = lines.line - len(lines.taken) + 1
    first = lines.taken[0] if lines.taken else ""
    lines.give_back(lines.taken[1:])
    return Broken(
        file,
        line,
        "unreadable_row",
        _("The row can't be read: {reason}.").format(reason=reason),
        _("Correct it in the file, or skip it."),
        first.encode("utf-8", "surrogateescape")[:RAW_BYTES],
    )


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")[:RAW_BYTES]
