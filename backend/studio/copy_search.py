"""Searching the text of a working copy: the numbers of the rows that say something, whatever the case."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import product

import orjson

from backend.studio.row_index import messages_of
from backend.studio.working_copy import IndexRow, WorkingCopy

_PIECE = 8 * 1024 * 1024
_STRUCTURE = b'{"messages":[{"role":"system","content":""},{"role":"user","content":""},{"role":"assistant"}]}'
_MOST_VARIANTS = 64


def find_rows(copy: WorkingCopy, query: str) -> array[int]:
    """Rows one of whose messages contains `query`; upper and lower case count alike."""
    wanted = query.lower()
    needles = _needles(wanted)
    is_ambiguous = needles is None or any(needle in _STRUCTURE for needle in needles)
    found = array("I")
    for first, piece, starts in _pieces(copy):
        if needles is None:
            numbers: Iterator[int] = iter(range(len(starts)))
        else:
            numbers = _rows_with(piece.lower(), needles, starts)
        for number in numbers:
            if is_ambiguous:
                end = starts[number + 1] if number + 1 < len(starts) else len(piece)
                messages = messages_of(piece[starts[number] : end])
                if not any(wanted in message.content.lower() for message in messages):
                    continue
            found.append(first + number)
    return found


def _needles(wanted: str) -> list[bytes] | None:
    """The ways in which the text can stand in a line whose ASCII letters are small; None where there are too many."""
    # the dot of a small dotted i comes from one capital letter of its own
    letters = [sorted({letter, letter.upper(), letter.title()}) if letter > "\x7f" else [letter] for letter in wanted]
    count = 1
    for ways in letters:
        count *= len(ways)
    if count > _MOST_VARIANTS or any(len(way) > 1 for ways in letters for way in ways) or "\u0307" in wanted:
        return None
    variants = {"".join(one) for one in product(*letters)}
    return [orjson.dumps(one.encode("utf-8", "replace").decode())[1:-1].lower() for one in variants]


def _rows_with(text: bytes, needles: list[bytes], starts: array[int]) -> Iterator[int]:
    """In order, each once."""
    found: set[int] = set()
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            number = bisect_right(starts, at) - 1
            found.add(number)
            if number + 1 == len(starts):
                break
            at = text.find(needle, starts[number + 1])
    return iter(sorted(found))


def _pieces(copy: WorkingCopy) -> Iterator[tuple[int, bytes, array[int]]]:
    """The number of the first row, the lines, and where in them each row begins."""
    with copy.path.open("rb", buffering=0) as file:
        for first, some in _parts(copy.index_rows()):
            start, end = some[0].offset, some[-1].offset + some[-1].size
            file.seek(start)
            piece = b""
            while len(piece) < end - start and (more := file.read(end - start - len(piece))):
                piece += more
            yield first, piece, array("Q", [row.offset - start for row in some])


def _parts(rows: list[IndexRow]) -> Iterator[tuple[int, list[IndexRow]]]:
    first = 0
    for number, row in enumerate(rows):
        if row.offset + row.size - rows[first].offset > _PIECE and number > first:
            yield first, rows[first:number]
            first = number
    if rows:
        yield first, rows[first:]
