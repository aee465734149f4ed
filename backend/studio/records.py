"""What is read from a source before anyone asks what it means: records, and what could not be read, with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from backend.i18n import _
from backend.studio.unpacking import Unreadable

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""A conversation this long fits no model's context; more without an end is a file of another kind."""
RAW_BYTES = 64 * 1024
MOST_LETTERS = 16 * 1024 * 1024
"""About how much text of records is held at once."""


@dataclass(frozen=True)
class SourceFile:
    """`name` is what it was called: shown only, never used as a path."""

    path: Path
    name: str


class Record(NamedTuple):
    """`file` counts the sources from 0. `line` is where it begins, from 1; of Parquet it is the record's number."""

    file: int
    line: int
    value: object


class Broken(NamedTuple):
    """What can't be read; line 0 is the whole file. `raw` are the record's own bytes, at most 64 KB, for repair and
    excerpt. Of a table's row that is JSON: the object of its cells, or the list of the cells of a ragged one.
    """

    file: int
    line: int
    code: str
    message: str
    fix: str
    raw: bytes = b""


Note = Callable[[str], None]
"""Told the code of what was done on the way without a question, such as the encoding that was decoded."""


def broken_by(end: Unreadable, file: int, line: int) -> Broken:
    return Broken(file, line, end.code, end.message, end.fix)


def too_long(file: int, line: int, raw: bytes) -> Broken:
    return Broken(
        file,
        line,
        "line_too_long",
        _("The record is longer than {limit} MB.").format(limit=MAX_RECORD_BYTES // 1024 // 1024),
        _("Split the conversation, or end each record with a line break."),
        raw[:RAW_BYTES],
    )


def letters_in(value: object) -> int:
    """About how much text a record holds."""
    left, size = [value], 0
    while left:
        one = left.pop()
        size += 8
        if isinstance(one, str):
            size += len(one)
        elif isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
    return size


def next_items(items: Iterator[Record | Broken], limit: int) -> list[Record | Broken]:
    """At most so many; fewer where the records are very long."""
    found: list[Record | Broken] = []
    letters = 0
    for item in islice(items, limit):
        found.append(item)
        letters += letters_in(item.value) if isinstance(item, Record) else len(item.raw)
        if letters > MOST_LETTERS:
            break
    return found
