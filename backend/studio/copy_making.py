"""Making a working copy of sources: large JSON Lines by several processes, everything else in one pass in this one.

What comes out depends on the sources, the mappings and the decisions alone: to undo one is to read again without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

from backend.domain_datasets import Decision, RecordFormat
from backend.studio.atomic_files import say_no_room
from backend.studio.containers import expand, file_changed, no_records, read_source, state_of
from backend.studio.copy_writer import CopyWriter, Places
from backend.studio.formats import UNKNOWN, recognise
from backend.studio.json_lines import Block, read_blocks, records_of
from backend.studio.mapping import map_columns, mapping_for
from backend.studio.reading_workers import RANGE_BYTES, Range, Task, Workers, ranges_of, worker_count
from backend.studio.records import Broken, Record, SourceFile, broken_by, next_items
from backend.studio.repairs import records_to_look_at
from backend.studio.row_batch import Batch, RowConverter
from backend.studio.sniffing import Kind, recognise_container
from backend.studio.unpacking import TextStream, Unreadable, open_bytes
from backend.studio.working_copy import WorkingCopy

PARALLEL_BYTES = 32 * 1024 * 1024
"""Packed or not: below, starting processes takes longer than it saves."""
LOOKED_AT = 200
_PUBLISH_SECONDS = 0.4

OnProgress = Callable[[float, int], None]
"""Told the share that is done (0..1) and how many rows there are."""


def make_working_copy(
    sources: Sequence[SourceFile],
    folder: Path,
    *,
    mappings: Sequence[RecordFormat] = (),
    decisions: Mapping[str, Decision] | None = None,
    on_progress: OnProgress = lambda done, rows: None,
    workers: int | None = None,
) -> WorkingCopy:
    """Read all `sources` (files, or folders of such) into `folder`, which is made if it isn't there.

    Each file is read by the mapping that is made for its columns (`mapping_for`), the others by the format that they
    show. Nothing in a source's content raises; `on_progress` may, to end the reading. Raises NoRoom for a full disk.
    """
    files = expand(sources)
    with say_no_room(), ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        making = _Making(folder, files, mappings, dict(decisions or {}), on_progress, stack)
        making.workers = worker_count() if workers is None else workers
        for number, source in enumerate(files):
            making.read(number, source)
        return making.writer.finish()


def form_of(records: Sequence[object], mappings: Sequence[RecordFormat]) -> RecordFormat:
    """How a file that begins with these records is read."""
    form = recognise(records)
    said = mapping_for(form, mappings)
    if said is None:
        return form
    return replace(said, columns=form.columns) if said.columns else map_columns(said.fields, form.columns, records)


class _Making:
    def __init__(
        self,
        folder: Path,
        files: Sequence[SourceFile],
        mappings: Sequence[RecordFormat],
        decisions: Mapping[str, Decision],
        on_progress: OnProgress,
        stack: ExitStack,
    ) -> None:
        self.folder = folder
        self.workers = 0
        self.writer = CopyWriter(folder, [file.name for file in files], decisions)
        self._mappings = mappings
        self._fixed = frozenset(code for code, decision in decisions.items() if decision is Decision.FIX)
        self._on_progress = on_progress
        self._stack = stack
        self._started: Workers | None = None
        self._places = Places(folder)
        stack.callback(self._places.close)
        self._sizes = [(state_of(file.path) or (0, 0))[0] for file in files]
        self._before = 0
        self._published = 0.0

    def read(self, number: int, source: SourceFile) -> None:
        size = self._sizes[number]
        if not (self.workers > 1 and size >= PARALLEL_BYTES and self._read_lines(number, source)):
            self._read_in_one(number, source)
        self._before += size
        self._tell(0)

    def _read_in_one(self, number: int, source: SourceFile) -> None:
        items = read_source(source, number, on_note=self._note, on_position=self._tell)
        batch, written = Batch(), time.monotonic()
        converter: RowConverter | None = None
        while some := next_items(items, LOOKED_AT if converter is None else 50):
            if converter is None and (records := records_to_look_at(some)):
                converter = RowConverter(self._form_of(number, records), self._fixed)
            (converter or RowConverter(UNKNOWN, self._fixed)).take(some, batch)
            if batch.is_full or time.monotonic() - written > _PUBLISH_SECONDS:
                self._write(batch)
                batch, written = Batch(), time.monotonic()
        self._write(batch)

    def _write(self, batch: Batch) -> None:
        row, offset = self.writer.place(len(batch.lines), batch.size)
        self._places.write(batch, row, offset)
        self.writer.tally.merge(batch.tally)

    def _read_lines(self, number: int, source: SourceFile) -> bool:
        """JSON Lines by the workers. False, and nothing done, where it is something else."""
        before = state_of(source.path)
        trouble: list[Broken] = []
        records = self.writer.tally.records
        try:
            with open_bytes(source.path) as file:
                stream = TextStream(file)
                container = recognise_container(stream.head, source.name, is_whole=stream.is_whole)
                if container.kind is not Kind.LINES or before is None:
                    return False
                records_of_head = records_to_look_at(_records_of_head(stream))
                if not records_of_head:
                    return False
                form = self._form_of(number, records_of_head)
                for note in stream.notes:
                    self._note(note)
                tasks = self._tasks(number, source.path, stream, form, before[0], trouble)
                if self._started is None:
                    self._started = self._stack.enter_context(Workers(self.folder, self._fixed, self.workers))
                done = 0

                def written(task: Task) -> None:
                    nonlocal done
                    done = task.lines.end if isinstance(task.lines, Range) else stream.position()
                    self._tell(done)

                self._started.run(tasks, self.writer, written)
        except Unreadable as end:
            trouble.append(broken_by(end, number, end.line))
        if state_of(source.path) != before:
            trouble.append(file_changed(number))
        elif self.writer.tally.records == records and not trouble:
            trouble.append(no_records(number))
        self._take(trouble)
        return True

    def _take(self, trouble: Sequence[Broken]) -> None:
        batch = Batch()
        RowConverter(self.writer.form, frozenset()).take(trouble, batch)
        self.writer.tally.merge(batch.tally)

    def _tasks(
        self, number: int, path: Path, stream: TextStream, form: RecordFormat, size: int, trouble: list[Broken]
    ) -> Iterator[Task]:
        """What ends the source early is put into `trouble`, after all that came before it."""
        if stream.is_plain:
            for part in ranges_of(path, stream.start, size):
                yield Task(number, form, part)
            return
        try:
            for block in read_blocks(stream.read, piece_bytes=RANGE_BYTES // 2):
                yield Task(number, form, block.data, block.is_too_long)
        except Unreadable as end:
            trouble.append(broken_by(end, number, end.line))

    def _form_of(self, number: int, records: Sequence[object]) -> RecordFormat:
        form = form_of(records, self._mappings)
        self.writer.note_form(number, form)
        return form

    def _note(self, code: str) -> None:
        self.writer.tally.notes[code] += 1

    def _tell(self, position: int) -> None:
        """`position` is in bytes of the present source."""
        now = time.monotonic()
        if now - self._published < _PUBLISH_SECONDS:
            return
        self._published = now
        tally = self.writer.tally
        self.writer.publish(tally.good, tally.size)
        self._on_progress(min(1.0, (self._before + position) / max(1, sum(self._sizes))), tally.good)


def _records_of_head(stream: TextStream) -> list[Record | Broken]:
    head = stream.head if stream.is_whole else stream.head[: stream.head.rfind(b"\n") + 1]
    return list(islice(records_of(Block(1, head), 0), LOOKED_AT))
