"""Records out of files of any kind: JSON Lines, JSON, tables, Parquet, each also packed with gzip.

What a file is, is found by looking into it. One pass, little memory whatever comes, and nothing in a file's content
makes these functions raise: what can't be read is Broken, with its line, a reason and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from backend.errors import BadInput
from backend.i18n import _
from backend.studio.csv_records import read_table
from backend.studio.json_lines import read_blocks, records_of
from backend.studio.json_spread import read_list, read_object_around, read_spread
from backend.studio.parquet_records import read_parquet, spooled
from backend.studio.records import Broken, Note, Record, SourceFile, broken_by
from backend.studio.sniffing import Kind, recognise_container
from backend.studio.unpacking import TextStream, Unreadable, open_bytes

__all__ = ["Broken", "Record", "SourceFile", "expand", "read_source"]

NAMES_OF_DATA = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".tab", ".parquet", ".pq", ".gz", ".txt")
MOST_FILES = 10_000


def expand(sources: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Folders replaced by the files with data in them, sorted by their path; hidden ones are left out.

    A folder without any stays, and is Broken when it is read. Raises BadInput for more than `MOST_FILES`: what goes
    beyond would be missing without a word.
    """
    found: list[SourceFile] = []
    for source in sources:
        inner = _files_in(source) if source.path.is_dir() else []
        found += inner or [source]
    if len(found) > MOST_FILES:
        raise BadInput(
            _("There are more than {count} files.").format(count=f"{MOST_FILES:,}"),
            how_to_fix=_("Join them into larger ones, or choose a folder with fewer."),
            code="too_many_files",
        )
    return tuple(found)


def _files_in(folder: SourceFile) -> list[SourceFile]:
    files = []
    for place, folders, names in os.walk(folder.path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and name.lower().endswith(NAMES_OF_DATA):
                path = Path(place) / name
                files.append(SourceFile(path, path.relative_to(folder.path).as_posix()))
        if len(files) > MOST_FILES:
            break
    return sorted(files, key=lambda file: file.name)


def read_source(
    source: SourceFile,
    number: int,
    *,
    on_note: Note | None = None,
    on_position: Callable[[int], None] = lambda position: None,
) -> Iterator[Record | Broken]:
    """One source's records. `on_note` is told such as `utf-16` where that was decoded, `on_position` how many of its
    bytes are read.

    A file that changes while it is read is told at the end, as Broken with line 0.
    """
    before = state_of(source.path)
    line = -1
    try:
        with open_bytes(source.path) as file:
            for item in _read_open(file, source, number, on_note, on_position):
                line = item.line
                yield item
        if line < 0:
            yield no_records(number)
    except Unreadable as end:
        yield broken_by(end, number, end.line or (line + 1 if line > 0 else 0))
    if before is not None and state_of(source.path) != before:
        yield file_changed(number)


def _read_open(
    file: IO[bytes],
    source: SourceFile,
    number: int,
    on_note: Note | None,
    on_position: Callable[[int], None],
) -> Iterator[Record | Broken]:
    stream = TextStream(file)
    container = recognise_container(stream.head, source.name, is_whole=stream.is_whole)
    if on_note is not None:
        for note in stream.notes:
            on_note(note)

    def read(count: int) -> bytes:
        piece = stream.read(count)
        on_position(stream.position())
        return piece

    if container.kind is Kind.PARQUET:
        size = (state_of(source.path) or (0, 0))[0]

        def on_share(share: float) -> None:
            on_position(round(share * size))

        if stream.is_plain:
            yield from read_parquet(source.path, number, on_share)
        else:
            with spooled(stream.read) as spool:
                yield from read_parquet(spool, number, on_share)
    elif container.kind is Kind.TABLE and container.table is not None:
        yield from read_table(read, container.table, number)
    elif container.kind is Kind.LIST:
        yield from read_list(read, number)
    elif container.kind is Kind.OBJECT_AROUND:
        yield from read_object_around(read, number)
    elif container.kind is Kind.SPREAD:
        yield from read_spread(read, number)
    else:
        for block in read_blocks(read):
            yield from records_of(block, number)


def no_records(number: int) -> Broken:
    return Broken(number, 0, "empty_file", _("There is no example in this file."), _("Add at least two conversations."))


def file_changed(number: int) -> Broken:
    return Broken(
        number,
        0,
        "file_changed",
        _("The file changed while it was read."),
        _("Wait until it is completely written, then read it again."),
    )


def state_of(path: Path) -> tuple[int, int] | None:
    """Size and time of change, None where there is no file: another state means that the file was changed."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns
