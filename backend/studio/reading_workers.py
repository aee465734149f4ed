"""Several processes that turn blocks of JSON lines into rows of a working copy, each writing its own share in place.

A worker takes a block (bytes, or a range of a file that begins and ends between two lines), converts it, says how
large the result is, is told where it goes, and writes it there. So rows keep their order and are copied once only.
"""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from backend.domain_datasets import RecordFormat
from backend.errors import PhiDeskError
from backend.i18n import _
from backend.studio.copy_writer import CopyWriter, Places
from backend.studio.json_lines import Block, read_blocks, records_of
from backend.studio.row_batch import Batch, RowConverter, Tally
from backend.studio.unpacking import Read

RANGE_BYTES = 2 * 1024 * 1024
MOST_WORKERS = 8


class Range(NamedTuple):
    """Bytes `start` to `end` of a file: whole lines."""

    path: Path
    start: int
    end: int


class Task(NamedTuple):
    """`source` is the number of the file that the lines are from. `is_too_long`: they begin one that is too long."""

    source: int
    form: RecordFormat
    lines: Range | bytes
    is_too_long: bool = False


class _Size(NamedTuple):
    """What a task came to, before it is written. `lines` counts those of the source that it had."""

    rows: int
    size: int
    lines: int


def worker_count() -> int:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, count)


def ranges_of(path: Path, start: int, end: int) -> Iterator[Range]:
    """The file in parts of about RANGE_BYTES that end with a line, as far as `end`."""
    with path.open("rb") as file:
        while start < end:
            file.seek(min(start + RANGE_BYTES, end))
            while file.tell() < end and (piece := file.read(64 * 1024)):
                if b"\n" in piece:
                    file.seek(file.tell() - len(piece) + piece.index(b"\n") + 1)
                    break
            stop = min(file.tell(), end)
            if stop <= start:
                return
            yield Range(path, start, stop)
            start = stop


class Workers:
    """Use as a context. `run` gives the tasks to the workers and returns when all is written."""

    def __init__(self, folder: Path, fixed_codes: frozenset[str], count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for _number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, folder, fixed_codes), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(5)

    def run(self, tasks: Iterator[Task], writer: CopyWriter, on_written: Callable[[Task], None]) -> None:
        """`on_written` is called for each task in order, once all up to it is written and counted in the tally.

        Raises what a worker met (OSError for a full disk), and PhiDeskError when one died.
        """
        turn = _Turn(writer, on_written)
        idle = list(self._connections)
        busy: dict[Connection, int] = {}
        while True:
            while idle and (task := next(tasks, None)) is not None:
                connection = idle.pop()
                busy[connection] = turn.add(task, connection)
                connection.send(task)
            if not busy:
                return
            ready = wait(list(busy))
            for connection in [one for one in busy if one in ready]:
                answer = _receive(connection)
                if isinstance(answer, _Size):
                    turn.sized(busy[connection], answer)
                else:
                    turn.written(busy.pop(connection), answer)
                    idle.append(connection)


class _Turn:
    """Places are given in the order of the tasks, and so are the tallies counted."""

    def __init__(self, writer: CopyWriter, on_written: Callable[[Task], None]) -> None:
        self._writer = writer
        self._on_written = on_written
        self._tasks: dict[int, tuple[Task, Connection]] = {}
        self._sizes: dict[int, _Size] = {}
        self._tallies: dict[int, Tally] = {}
        self._lines_before: dict[int, int] = {}
        self._line = 0
        self._source = -1
        self._given = self._to_place = self._to_count = 0

    def add(self, task: Task, connection: Connection) -> int:
        number = self._given
        self._tasks[number] = task, connection
        self._given += 1
        return number

    def sized(self, number: int, size: _Size) -> None:
        self._sizes[number] = size
        while self._to_place in self._sizes:
            found = self._sizes.pop(self._to_place)
            task, connection = self._tasks[self._to_place]
            if task.source != self._source:
                self._source, self._line = task.source, 0
            row, offset = self._writer.place(found.rows, found.size)
            self._lines_before[self._to_place] = self._line
            connection.send((row, offset, self._line))
            self._line += found.lines
            self._to_place += 1

    def written(self, number: int, tally: Tally) -> None:
        self._tallies[number] = tally
        while self._to_count in self._tallies:
            lines_before = self._lines_before.pop(self._to_count)
            self._writer.tally.merge(self._tallies.pop(self._to_count), lines_before)
            task, _connection = self._tasks.pop(self._to_count)
            self._to_count += 1
            self._on_written(task)


def _receive(connection: Connection) -> Any:
    try:
        answer = connection.recv()
    except EOFError as error:
        raise PhiDeskError(
            _("The reading ended without a word."),
            why=_("One of its processes was killed, perhaps for lack of memory."),
            how_to_fix=_("Read it again; if it happens again, close other programs first."),
            code="reading_died",
        ) from error
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _work(connection: Connection, folder: Path, fixed_codes: frozenset[str]) -> None:
    """In the worker: until the other side is gone. Ctrl+C is for the other side, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # no cycles are made here; looking for them costs a tenth of the time
    places = Places(folder)
    converters: dict[int, RowConverter] = {}
    try:
        while True:
            task: Task = connection.recv()
            if task.source not in converters:
                converters = {task.source: RowConverter(task.form, fixed_codes)}
            batch, lines = _convert(task, converters[task.source])
            connection.send(_Size(len(batch.lines), batch.size, lines))
            row, offset, lines_before = connection.recv()
            places.write(batch, row, offset, lines_before)
            connection.send(batch.tally)
            del batch
            gc.collect(0)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except OSError as error:
        connection.send(error)
    finally:
        places.close()


def _convert(task: Task, converter: RowConverter) -> tuple[Batch, int]:
    batch = Batch()
    lines = 0
    if task.is_too_long and isinstance(task.lines, bytes):
        converter.take(records_of(Block(1, task.lines, is_too_long=True), task.source), batch)
        return batch, 1
    with ExitStack() as stack:
        read = _reader(task.lines, stack)
        for block in read_blocks(read, piece_bytes=2 * RANGE_BYTES):
            converter.take_block(block, task.source, batch)
            lines += 1 if block.is_too_long else block.data.count(b"\n")
    return batch, lines


def _reader(lines: Range | bytes, stack: ExitStack) -> Read:
    if isinstance(lines, bytes):
        return io.BytesIO(lines).read
    file = stack.enter_context(lines.path.open("rb", buffering=0))
    file.seek(lines.start)
    left = lines.end - lines.start

    def read(count: int) -> bytes:
        nonlocal left
        piece = file.read(min(count, left))
        left -= len(piece)
        return piece

    return read
