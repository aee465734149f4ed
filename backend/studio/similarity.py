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

from backend.studio.conversation_text import compared_text, digest, digest_of_line, fold, lines_of, messages_of
from backend.studio.part_rows import PartRows
from backend.studio.shingles import U64, jaccard, shingle

LIKENESS = 0.8
"""From this share of common shingles on, two conversations are near-duplicates."""
LEAST_SHINGLES = 16
_COMMON_SHARE, _COMMON_ROWS, _SAMPLE_ROWS = 0.2, 10, 1000
_PERMUTATIONS, _BANDS, _BAND_WIDTH = 128, 21, 6  # at a likeness of 0.8, 998 of 1,000 pairs become candidates
_SAMPLED_BYTES = 32_768
_BATCH_BYTES = 400_000
_HELD_SHINGLES = 4_000_000
_MOST_LEADERS = 8

Ids = NDArray[np.int64]


class CommonShingles:
    """The shingles that most rows share, in a sample drawn by content: first `look_at` every line, then `find`."""

    def __init__(self) -> None:
        self._sample: dict[int, bytes] = {}
        self._highest = 1 << 64

    def look_at(self, key: int, raw: bytes) -> None:
        """`key` is a hash of the line: the lines with the lowest ones are the sample."""
        if key >= self._highest or key in self._sample or len(raw) > _SAMPLED_BYTES:
            return
        self._sample[key] = raw
        if len(self._sample) >= 2 * _SAMPLE_ROWS:
            self._keep_lowest()

    def find(self) -> U64:
        self._keep_lowest()
        least = max(_COMMON_ROWS, int(len(self._sample) * _COMMON_SHARE) + 1)
        if len(self._sample) < least:
            return np.empty(0, np.uint64)
        found = [np.empty(0, np.uint64)]
        for raw in self._sample.values():
            found.append(np.unique(shingle([compared_text(messages_of(raw))]).hashes))
        values, counts = np.unique(np.concatenate(found), return_counts=True)
        return values[counts >= least]

    def _keep_lowest(self) -> None:
        kept = sorted(self._sample)[:_SAMPLE_ROWS]
        if len(kept) == _SAMPLE_ROWS:
            self._highest = kept[-1]
        self._sample = {key: self._sample[key] for key in kept}


class Sketches:
    """A short sketch of each row's text; about 110 bytes a row. Rows are numbered in the order of `add`."""

    def __init__(self, common: U64) -> None:
        self._common = common
        self._texts: list[str] = []
        self._bytes = 0
        self._bands: list[NDArray[np.uint32]] = []
        self._sequences: list[U64] = []
        self._is_long: list[NDArray[np.bool_]] = []

    def add(self, text: str) -> None:
        if self._bytes + len(text) > _BATCH_BYTES and self._texts:
            self.flush()
        self._texts.append(text)
        self._bytes += len(text)

    def flush(self) -> None:
        if not self._texts:
            return
        import rensa

        found = shingle(self._texts)
        rows = np.repeat(np.arange(len(self._texts)), np.diff(found.offsets))
        is_kept = _is_not_in(found.hashes, self._common)
        counts = np.bincount(rows[is_kept], minlength=len(self._texts))
        offsets = np.concatenate(([0], np.cumsum(counts)))
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(found.hashes[is_kept], offsets, _PERMUTATIONS, 0)
        self._bands.append(_band_keys(np.array(matrix.to_rows(), np.uint32)))
        # texts without any word, such as signs alone, are alike only when they are equal, which others see
        self._sequences.append(np.where(found.words > 0, found.sequences, 0).astype(np.uint64))
        self._is_long.append(counts >= LEAST_SHINGLES)
        self._texts, self._bytes = [], 0

    def clusters(self, digests: U64, load: Callable[[Sequence[int]], Sequence[str]]) -> Ids:
        """An id per row; near-duplicates share it. `digests` are equal for equal texts, `load` gives rows' texts.

        Likeness is handed on: where A is like B and B is like C, all three are one cluster.
        """
        self.flush()
        if not self._bands:
            return np.empty(0, np.int64)
        union = Union(len(digests))
        union.join_equal(digests)
        sequences = np.concatenate(self._sequences)
        union.join_equal(sequences, np.flatnonzero(sequences))
        _, firsts = np.unique(digests, return_index=True)
        rows = firsts[np.concatenate(self._is_long)[firsts]]
        verifier = _Verifier(self._common, load, most_comparisons=10 * len(rows) + 1000)
        bands = np.concatenate(self._bands)
        for band in range(_BANDS):
            for group in _equal_groups(bands[rows, band], rows):
                _join_alike(group[np.argsort(digests[group])], union, verifier)
        return union.ids()


def similar_clusters(paths: Sequence[Path], on_progress: Callable[[float], None] = lambda done: None) -> Ids:
    """A cluster id for each row of all the canonical files, one file after another."""
    common, total = CommonShingles(), max(1, 2 * sum(path.stat().st_size for path in paths))
    read = 0
    for path in paths:
        with path.open("rb") as file:
            for raw in file:
                common.look_at(digest_of_line(raw), raw)
                read += len(raw)
        on_progress(read / total)
    sketches, rows, digests = Sketches(common.find()), PartRows(paths), []
    for number, path in enumerate(paths):
        for line in lines_of(path):
            sketches.add(compared_text(line.messages))
            digests.append(digest([fold(message.content) for message in line.messages]))
            rows.add(number, line.offset, line.size)
            if line.number % 1000 == 0:
                on_progress(min(1.0, (read + line.offset) / total))
        read += path.stat().st_size
    with rows:
        return sketches.clusters(np.array(digests, np.uint64), rows.compared_texts)


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

    def __init__(self, common: U64, load: Callable[[Sequence[int]], Sequence[str]], most_comparisons: int) -> None:
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
            hashes = np.unique(shingle(self._load([row])).hashes)
            self._held[row] = hashes[_is_not_in(hashes, self._common)]
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


def _band_keys(matrix: NDArray[np.uint32]) -> NDArray[np.uint32]:
    parts = matrix[:, : _BANDS * _BAND_WIDTH].astype(np.uint64).reshape(len(matrix), _BANDS, _BAND_WIDTH)
    keys = np.zeros(parts.shape[:2], np.uint64)
    for column in range(_BAND_WIDTH):
        keys = (keys ^ parts[:, :, column]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32)


def _is_not_in(values: U64, sorted_values: U64) -> NDArray[np.bool_]:
    if not len(sorted_values):
        return np.ones(len(values), bool)
    places = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    return sorted_values[places] != values
