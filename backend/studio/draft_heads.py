"""The first records of a draft's files, read at once: what they are recognised as, and which files must be asked about.

Little is read of each, and nothing of a Parquet file that may unfold to more than this process should hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain_datasets import FileFormat
from backend.studio.containers import read_source
from backend.studio.formats import recognise
from backend.studio.records import MOST_LETTERS, Broken, Record, SourceFile, letters_in
from backend.studio.repairs import records_to_look_at
from backend.studio.unfolding import may_be_huge

HEAD_ROWS = 200
LOOKED_AT = 100
"""Files of a draft; what the others are is known when they are read."""
_LOOKED_INTO = 20
"""Files in which the first records of all are looked for."""


def head_of(files: Sequence[SourceFile], limit: int = HEAD_ROWS) -> list[Record | Broken]:
    """Of the first file that has any records; `Record.file` counts `files` from 0."""
    found: list[Record | Broken] = []
    for number, file in enumerate(files[:_LOOKED_INTO]):
        items = head_of_file(file, number, limit)
        found += items
        if any(isinstance(item, Record) for item in items):
            break
    return found


def head_of_file(file: SourceFile, number: int = 0, limit: int = HEAD_ROWS) -> list[Record | Broken]:
    """Nothing of a file that is not to be looked into here."""
    found: list[Record | Broken] = []
    if may_be_huge(file.path):
        return found
    records = size = 0
    for item in read_source(file, number):
        found.append(item)
        if isinstance(item, Record):
            records += 1
            size += letters_in(item.value)
        if records >= limit or size > MOST_LETTERS or len(found) >= 5 * limit:
            break
    return found


def unclear_among(files: Sequence[SourceFile]) -> tuple[FileFormat, ...]:
    """The files whose columns a person should look at, of the first `LOOKED_AT`."""
    found = []
    for number, file in enumerate(files[:LOOKED_AT]):
        form = recognise(records_to_look_at(head_of_file(file, number)))
        if form.columns and not form.is_sure:
            found.append(FileFormat(number, file.name, form))
    return tuple(found)
