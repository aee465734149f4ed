"""Searching the text of a working copy: the numbers of the rows that say something, whatever the case."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import product
from math import prod

import orjson

from backend.studio.row_index import messages_of
from backend.studio.working_copy import IndexRow, WorkingCopy

_PIECE = 8 * 1024 * 1024
_MOST_VARIANTS = 64
_ROLES = (b"system", b"user", b"assistant")
_FRAME = (
    *(b'{"messages":[{"role":"%b","content":"' % role for role in _ROLES),
    *(b'"},{"role":"%b","content":"' % role for role in _ROLES),
    b'"}]}\n',
)
"""What stands in a line around the texts. In a text a quote is escaped, so none of this can stand there."""
_MORE_CAPITALS = {"ß": "ẞ", "ω": "\u2126", "å": "\u212b"}
"""Letters with a second capital that `upper` does not give."""


def find_rows(copy: WorkingCopy, query: str) -> array[int]:
    """Rows one of whose messages contains `query`; upper and lower case count alike."""
    wanted = query.lower()
    needles = _needles(wanted)
    is_in_frame = needles is not None and any(needle in part for needle in needles for part in _FRAME)
    found = array("I")
    for first, piece, starts in _pieces(copy):
        if needles is None:
            numbers = _rows_that_say(piece, wanted, starts)
        else:
            text = piece.lower()
            for part in _FRAME if is_in_frame else ():
                text = text.replace(part, b"\n" * len(part))
            numbers = _rows_with(text, needles, starts)
        found.extend(first + number for number in numbers)
    return found


def _needles(wanted: str) -> list[bytes] | None:
    """The ways in which the text can stand in a line whose ASCII letters are small; None where that depends on more
    than the single letter (the dot of a Turkish i, the two small sigmas).
    """
    if not {"\u0307", "σ", "ς"}.isdisjoint(wanted):
        return None
    letters = [_capitals(letter) if letter > "\x7f" else [letter] for letter in wanted]
    if prod(len(ways) for ways in letters) > _MOST_VARIANTS:
        return None
    variants = {"".join(one) for one in product(*letters)}
    return [orjson.dumps(one.encode("utf-8", "replace").decode())[1:-1].lower() for one in variants]


def _capitals(letter: str) -> list[str]:
    """The letter itself, and all that it is the small one of."""
    ways = {letter, letter.upper(), letter.title(), _MORE_CAPITALS.get(letter, letter)}
    return [way for way in sorted(ways) if way.lower() == letter]


def _rows_that_say(piece: bytes, wanted: str, starts: array[int]) -> Iterator[int]:
    """The careful way: every row is read."""
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(piece)
        if any(wanted in message.content.lower() for message in messages_of(piece[start:end])):
            yield number


def _rows_with(text: bytes, needles: list[bytes], starts: array[int]) -> Iterator[int]:
    """In order, each once."""
    found: set[int] = set()
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            if _is_inside_escape(text, at):
                at = text.find(needle, at + 1)
                continue
            number = bisect_right(starts, at) - 1
            found.add(number)
            if number + 1 == len(starts):
                break
            at = text.find(needle, starts[number + 1])
    return iter(sorted(found))


def _is_inside_escape(text: bytes, at: int) -> bool:
    """Does an escape such as `\\n` or `\\u001b` begin before this place and end behind it?"""
    start = text.rfind(b"\\u", max(0, at - 5), at)
    if start < 0:
        start = at - 1
    backslashes = 0
    while text[start - backslashes : start - backslashes + 1] == b"\\":
        backslashes += 1
    return backslashes % 2 == 1


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
