"""Rows of a part by what stands in them: any page at once, a search in one pass with little memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from backend.domain_datasets import RowFilter, RowPage
from backend.studio.row_index import RowIndex, index_of
from backend.studio.row_origins import origins_of, with_origins
from backend.studio.text_search import find_in_lines

EVERY_ROW = RowFilter()


def find_rows(
    path: Path, query: str = "", offset: int = 0, limit: int = 20, *, wanted: RowFilter = EVERY_ROW
) -> RowPage:
    """Rows `offset` to `offset + limit` of those that have `query` in any message and fit `wanted`, and their total.

    What counts as the same is `text_search`'s to say. A row's `file` and `line` tell where it came from, where that is
    known; else `line` is its place in the part, from 1. The first page of a search reads the part (3 s for 1.4 GB), the
    next ones are there at once. Raises FileNotFoundError.
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
    return find_in_lines(path, index.starts, query, numbers)


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
