"""A short sketch of each row's text, and the shingles that say nothing about likeness since most rows have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.studio.conversation_text import compared_text
from backend.studio.row_index import messages_of
from backend.studio.shingles import U64, shingle

LEAST_SHINGLES = 16
"""Below so many that are its own, a text is too short for likeness."""
BANDS = 21
_BAND_WIDTH, _PERMUTATIONS = 6, 128  # at a likeness of 0.8, 998 of 1,000 pairs share one of 21 bands of 6
COMMON_SHARE, COMMON_ROWS = 0.2, 10
"""What more than this share of the rows have, and more than so many, says nothing of their likeness."""
_SAMPLE_ROWS, _SAMPLED_BYTES = 1000, 32_768
_BATCH_BYTES = 200_000


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
        least = max(COMMON_ROWS, int(len(self._sample) * COMMON_SHARE) + 1)
        if len(self._sample) < least:
            return np.empty(0, np.uint64)
        found = [np.unique(shingle([compared_text(messages_of(raw))]).hashes) for raw in self._sample.values()]
        values, counts = np.unique(np.concatenate(found), return_counts=True)
        return values[counts >= least]

    def _keep_lowest(self) -> None:
        kept = sorted(self._sample)[:_SAMPLE_ROWS]
        if len(kept) == _SAMPLE_ROWS:
            self._highest = kept[-1]
        self._sample = {key: self._sample[key] for key in kept}


class Sketches:
    """Of each text, in the order of `add`: 21 keys, of which near-duplicates share one; about 95 bytes."""

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
        is_kept = is_not_in(found.hashes, self._common)
        counts = np.bincount(rows[is_kept], minlength=len(self._texts))
        offsets = np.concatenate(([0], np.cumsum(counts)))
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(found.hashes[is_kept], offsets, _PERMUTATIONS, 0)
        self._bands.append(_band_keys(np.array(matrix.to_rows(), np.uint32)))
        # texts without any word, such as signs alone, are alike only when they are equal, which others see
        self._sequences.append(np.where(found.words > 0, found.sequences, 0).astype(np.uint64))
        self._is_long.append(counts >= LEAST_SHINGLES)
        self._texts, self._bytes = [], 0

    def finish(self) -> tuple[NDArray[np.uint32], U64, NDArray[np.bool_]]:
        """The keys (rows x 21), the words in their order (equal for equal ones, 0 for none), what is long enough."""
        self.flush()
        if not self._bands:
            return np.empty((0, BANDS), np.uint32), np.empty(0, np.uint64), np.empty(0, bool)
        return np.concatenate(self._bands), np.concatenate(self._sequences), np.concatenate(self._is_long)


def _band_keys(matrix: NDArray[np.uint32]) -> NDArray[np.uint32]:
    parts = matrix[:, : BANDS * _BAND_WIDTH].astype(np.uint64).reshape(len(matrix), BANDS, _BAND_WIDTH)
    keys = np.zeros(parts.shape[:2], np.uint64)
    for column in range(_BAND_WIDTH):
        keys = (keys ^ parts[:, :, column]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32)


def is_not_in(values: U64, sorted_values: U64) -> NDArray[np.bool_]:
    if not len(sorted_values):
        return np.ones(len(values), bool)
    places = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    return sorted_values[places] != values
