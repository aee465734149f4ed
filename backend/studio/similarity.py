"""Which conversations are nearly the same: candidates by MinHash, each verified by the real overlap of its shingles.

Everything rests on content alone, so clusters don't depend on the order of the rows or on the machine. Shingles that
stand in more than a fifth of the rows (an instruction that every question repeats) say nothing about likeness and are
left out. Of short conversations only those with the same words in the same order are alike: one other word may change
all that such a row says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.studio.conversation_text import digest_of_line
from backend.studio.part_rows import PartRows
from backend.studio.row_facts import RowFacts, gather
from backend.studio.shingles import U64, jaccard, shingle
from backend.studio.sketches import BANDS, COMMON_ROWS, COMMON_SHARE, CommonShingles, is_not_in

LIKENESS = 0.8
"""From this share of common shingles on, two conversations are near-duplicates."""
_HELD_SHINGLES = 4_000_000
_MOST_LEADERS = 8

Ids = NDArray[np.int64]


def similar_clusters(
    paths: Sequence[Path], on_progress: Callable[[float], None] = lambda done: None, *, workers: int = 1
) -> Ids:
    """An id for each row of all the canonical files, one file after another: rows with the same id belong on one
    side of a split. They are equal, nearly the same, or ask the same. `workers` as in `row_facts.gather`.
    """
    common, _rows = survey(paths, lambda done: on_progress(0.1 * done))
    facts = gather(
        paths, common, is_checked=False, workers=workers, on_progress=lambda done: on_progress(0.1 + 0.8 * done)
    )
    groups = belonging_together(near_duplicates(paths, facts, common), facts.questions)
    on_progress(1.0)
    return groups


def survey(paths: Sequence[Path], on_progress: Callable[[float], None]) -> tuple[U64, int]:
    """The shingles that many rows share, and the number of rows."""
    common, count, read = CommonShingles(), 0, 0
    total = max(1, sum(path.stat().st_size for path in paths))
    for path in paths:
        with path.open("rb", buffering=1 << 20) as file:
            for raw in file:
                common.look_at(digest_of_line(raw), raw)
                count += 1
                read += len(raw)
                if count % 5000 == 0:
                    on_progress(read / total)
    return common.find(), count


def near_duplicates(paths: Sequence[Path], facts: RowFacts, common: U64) -> Ids:
    """A cluster id per row. Likeness is handed on: where A is like B and B is like C, all three are one cluster."""
    digests = facts.conversations
    union = Union(len(digests))
    union.join_equal(digests)
    union.join_equal(facts.sequences, np.flatnonzero(facts.sequences))
    _values, firsts = np.unique(digests, return_index=True)
    rows = firsts[facts.is_long[firsts]]
    with PartRows(paths, facts) as texts:
        verifier = _Verifier(common, texts.compared_text, most_comparisons=10 * len(rows) + 1000)
        for band in range(BANDS):
            for group in _equal_groups(facts.bands[rows, band], rows):
                _join_alike(group[np.argsort(digests[group])], union, verifier)
    return union.ids()


def belonging_together(clusters: Ids, questions: U64) -> Ids:
    """Clusters joined where rows ask the same, unless so many do that nothing could be held out."""
    union = Union(len(clusters))
    union.join_equal(clusters.astype(np.uint64))
    asked = without_common(questions)
    union.join_equal(asked, np.flatnonzero(asked))
    return union.ids()


def without_common(keys: U64) -> U64:
    """The keys, 0 for one that more than a fifth of the rows share."""
    values, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    is_common = counts > max(COMMON_ROWS, COMMON_SHARE * len(keys))
    return np.where(is_common[inverse], np.uint64(0), values[inverse])


class Union:
    """Which rows belong together (union-find with path halving)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, row: int) -> int:
        parents = self._parents
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first

    def join_equal(self, keys: U64, rows: Ids | None = None) -> None:
        """Joins rows with equal keys, of all rows or of these."""
        chosen = np.arange(len(keys)) if rows is None else rows
        for group in _equal_groups(keys[chosen], chosen):
            for row in group[1:]:
                self.join(int(group[0]), int(row))

    def ids(self) -> Ids:
        return np.array([self.root(row) for row in range(len(self._parents))], np.int64)


class _Verifier:
    """Compares candidates by their real shingles, holding some millions of them; gives up after so many comparisons."""

    def __init__(self, common: U64, load: Callable[[int], str], most_comparisons: int) -> None:
        self._common, self._load = common, load
        self._held: dict[int, U64] = {}
        self._held_count = 0
        self._left = most_comparisons

    def are_alike(self, one: int, other: int) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        first, second = self._shingles(one), self._shingles(other)
        if min(len(first), len(second)) < LIKENESS * max(len(first), len(second)):
            return False
        return jaccard(first, second) >= LIKENESS

    def _shingles(self, row: int) -> U64:
        if row not in self._held:
            while self._held and self._held_count > _HELD_SHINGLES:
                self._held_count -= len(self._held.pop(next(iter(self._held))))
            hashes = np.unique(shingle([self._load(row)]).hashes)
            self._held[row] = hashes[is_not_in(hashes, self._common)]
            self._held_count += len(self._held[row])
        return self._held[row]


def _join_alike(group: Ids, union: Union, verifier: _Verifier) -> None:
    """Compares each row with the first of each kind in the group, so that a large group doesn't take its square."""
    leaders: list[int] = []
    for row in map(int, group):
        for leader in leaders:
            if union.root(row) == union.root(leader):
                break
            if verifier.are_alike(row, leader):
                union.join(row, leader)
                break
        else:
            if len(leaders) < _MOST_LEADERS:
                leaders.append(row)


def _equal_groups(keys: NDArray[np.uint32] | U64, rows: Ids) -> Iterator[Ids]:
    """The rows of each key that more than one has, in the order of the keys."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    edges = np.flatnonzero(np.diff(sorted_keys)) + 1
    starts, stops = np.concatenate(([0], edges)), np.concatenate((edges, [len(keys)]))
    for number in np.flatnonzero(stops - starts > 1):
        yield rows[order[starts[number] : stops[number]]]
