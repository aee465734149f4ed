"""Rows of a part by what stands in them: any page at once, a search in one pass with little memory."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import orjson

from backend.domain_datasets import RowFilter, RowPage
from backend.studio.row_index import RowIndex, index_of, messages_of
from backend.studio.row_origins import origins_of, with_origins

EVERY_ROW = RowFilter()
_READ_AHEAD = 1 << 20


def find_rows(
    path: Path, query: str = "", offset: int = 0, limit: int = 20, *, wanted: RowFilter = EVERY_ROW
) -> RowPage:
    """Rows `offset` to `offset + limit` of those that have `query` in any message and fit `wanted`, and their total.

    Upper and lower case are the same. A row's `file` and `line` tell where it came from, where that is known; else
    `line` is its place in the part, from 1. The first page of a search reads the part (3 s for 1.4 GB), the next ones
    are there at once. Raises FileNotFoundError.
    """
    index = index_of(path)
    numbers = matching_rows(path, query, wanted)
    start = min(max(0, offset), len(numbers))
    shown = numbers[start : start + max(0, limit)]
    rows = with_origins(path, shown, list(index.rows(shown)))
    return RowPage(tuple(zip(shown, rows, strict=True)), len(numbers))


def matching_rows(path: Path, query: str = "", wanted: RowFilter = EVERY_ROW) -> Sequence[int]:
    """The numbers, from 0, in order."""
    index = index_of(path)
    if not query and wanted == EVERY_ROW:
        return range(len(index))
    found = path.stat()
    return _matching(path, found.st_mtime_ns, found.st_size, query, wanted)


@lru_cache(maxsize=16)
def _matching(path: Path, changed: int, size: int, query: str, wanted: RowFilter) -> array[int]:
    index = index_of(path)
    numbers = _filtered(index, wanted)
    return _searched(index, numbers, query) if query else array("I", numbers)


def _filtered(index: RowIndex, wanted: RowFilter) -> Sequence[int]:
    numbers: Sequence[int] = range(len(index))
    if wanted.numbers is not None:
        numbers = sorted({number for number in wanted.numbers if 0 <= number < len(index)})
    if wanted.file:
        of_file = origins_of(index.path).rows_of(wanted.file)
        numbers = [number for number in numbers if number in of_file]
    if wanted.has_system is not None:
        numbers = [number for number in numbers if index.has_system(number) == wanted.has_system]
    if wanted.min_turns > 0:
        numbers = [number for number in numbers if index.turns(number) >= wanted.min_turns]
    if wanted.max_turns is not None:
        most = wanted.max_turns
        numbers = [number for number in numbers if index.turns(number) <= most]
    return numbers


def _searched(index: RowIndex, numbers: Sequence[int], query: str) -> array[int]:
    """A look at the raw line first: only where part of the query stands in it, escaped as in JSON, the row is parsed.

    An ASCII letter is found in either case, any other letter as Unicode folds it.
    """
    folded = query.lower() if query.isascii() else query.casefold()
    plain = query.isascii()
    needle = _longest_ascii(query).lower()
    found = array("I")
    with index.path.open("rb", buffering=_READ_AHEAD) as file:
        at = 0
        for number in numbers:
            start, end = index.starts[number], index.starts[number + 1]
            if at != start:
                file.seek(start)
            line = file.read(end - start)
            at = end
            if needle in line.lower() and _stands_in(folded, line, plain=plain):
                found.append(number)
    return found


def _longest_ascii(query: str) -> bytes:
    """As it stands in a line of JSON; folding the other letters of a whole file would take ten times as long."""
    runs = re.findall("[\x00-\x7f]+", query)
    return orjson.dumps(max(runs, key=len))[1:-1] if runs else b""


def _stands_in(folded: str, line: bytes, *, plain: bool) -> bool:
    if plain:  # as bytes are lowered: a few foreign letters, such as the Kelvin sign, would become ASCII
        needle = folded.encode()
        return any(needle in message.content.encode().lower() for message in messages_of(line))
    if line.isascii() and not folded.isascii():
        return False
    return any(folded in message.content.casefold() for message in messages_of(line))
