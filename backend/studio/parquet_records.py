"""Parquet: a row is a record; nested lists and structs become lists and objects. Read piece by piece with pyarrow.

A damaged row group is one problem in words; the others are read. Lines are the numbers of the rows, from 1.
"""

from __future__ import annotations

import datetime
import decimal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from backend.i18n import _
from backend.studio.records import MAX_RECORD_BYTES, Broken, Record, too_long
from backend.studio.unpacking import PIECE_BYTES, Read

BATCH_ROWS = 16
"""A text that many rows share stands in the file once, and comes as often as there are rows in a batch."""
LARGEST_GROUP_BYTES = 4 * 1024 * 1024 * 1024
"""Unpacked. Writers make row groups of some 100 MB to 1 GB."""


def read_parquet(
    file: IO[bytes] | Path, source: int, on_share: Callable[[float], None] = lambda share: None
) -> Iterator[Record | Broken]:
    """`file` must be seekable. `on_share` is told what share of the rows is read, 0..1."""
    import pyarrow
    from pyarrow import parquet

    damaged = (pyarrow.ArrowException, OSError, ValueError, NotImplementedError, RuntimeError)
    try:
        opened = parquet.ParquetFile(file, buffer_size=PIECE_BYTES, pre_buffer=False)
        groups = opened.num_row_groups
        is_plain = all(_is_plain(field.type) for field in opened.schema_arrow)
        names_differ = len(set(opened.schema_arrow.names)) < len(opened.schema_arrow.names)
    except damaged as error:
        yield _whole(source, error)
        return
    with opened:
        if names_differ:
            yield Broken(
                source,
                0,
                "duplicate_column",
                _("Two columns of the table have the same name."),
                _("Give each column a name of its own."),
            )
            return
        first = 1
        for number in range(groups):
            facts = opened.metadata.row_group(number)
            if facts.total_byte_size > LARGEST_GROUP_BYTES:
                yield Broken(
                    source,
                    first,
                    "row_group_too_large",
                    _("A part of the file (row group {number}) is too large to be read.").format(number=number + 1),
                    _("Write the file again with smaller row groups, such as 10,000 rows."),
                )
                first += facts.num_rows
                continue
            line = first
            try:
                for batch in opened.iter_batches(BATCH_ROWS, row_groups=[number], use_threads=False):
                    yield from _records(batch, source, line, is_plain=is_plain)
                    line += batch.num_rows
                    on_share(line / max(1, opened.metadata.num_rows))
            except (*damaged, MemoryError) as error:
                yield _group(source, line, number, error)
            first += facts.num_rows
        if first == 1:
            yield Broken(source, 0, "empty_file", _("The table has no rows."), _("Add at least two conversations."))


def spooled(read: Read) -> IO[bytes]:
    """What was unpacked, in a temporary file: Parquet is read from its end. Raises Unreadable as `read` does."""
    spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        while piece := read(PIECE_BYTES):
            spool.write(piece)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _records(batch: Any, source: int, line: int, *, is_plain: bool) -> Iterator[Record | Broken]:
    is_large = batch.nbytes > MAX_RECORD_BYTES  # told before it becomes many times as large
    values = None if is_large else _values(batch)
    if values is not None:
        for number, value in enumerate(values):
            yield Record(source, line + number, value if is_plain else _plain(value))
    elif batch.num_rows == 1:
        yield too_long(source, line, b"") if is_large else _not_utf8(source, line)
    else:
        for number in range(batch.num_rows):
            yield from _records(batch.slice(number, 1), source, line + number, is_plain=is_plain)


def _values(batch: Any) -> list[Any] | None:
    """None where a text among them is not UTF-8, which not every writer looks after."""
    try:
        values: list[Any] = batch.to_pylist()
    except UnicodeDecodeError:
        return None
    return values


def _is_plain(kind: Any) -> bool:
    """Does it come as text, numbers, lists and objects?"""
    from pyarrow import types

    if types.is_struct(kind):
        return all(_is_plain(kind.field(place).type) for place in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type)
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def _plain(value: Any) -> object:
    """Maps as objects, bytes as the text in them, times and decimals as text."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) and len(one) == 2 for one in value):
            return {str(_plain(name)): _plain(one) for name, one in value}
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _whole(source: int, error: Exception) -> Broken:
    return Broken(
        source,
        0,
        "parquet_damaged",
        _("This Parquet file can't be read: {reason}.").format(reason=_first_line(error)),
        _("It may have been cut off: download or write it again."),
    )


def _group(source: int, line: int, number: int, error: BaseException) -> Broken:
    return Broken(
        source,
        line,
        "parquet_damaged",
        _("A part of the Parquet file (row group {number}) can't be read from here on: {reason}.").format(
            number=number + 1, reason=_first_line(error)
        ),
        _("Download or write the file again; the other examples can be used."),
    )


def _not_utf8(source: int, line: int) -> Broken:
    return Broken(
        source,
        line,
        "not_utf8",
        _("The row is not UTF-8 text."),
        _("Write the file again with its texts as UTF-8, or skip the row."),
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__
