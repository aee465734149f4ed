"""Texts as sets of hashed shingles: three words in a row. Whole batches at once, with numpy.

The hashes are plain arithmetic modulo 2^64, the same on every machine and in every version of Python and numpy, since
a split rests on them. Punctuation and case don't count. Scripts that write no spaces are taken character by character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
_MOST_CHARACTERS = 200_000
_MOST_BYTES = 500_000
_EIGHT_ZEROS = np.zeros(8, np.uint8)
_WORD, _LETTER_OF_ITS_OWN = 1, 2
_EDGE = np.uint64(0x1D8E4E27C47D124F)  # stands before the first and after the last word
_WEIGHTS = tuple(np.uint64(number) for number in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93))


@dataclass(frozen=True)
class Shingles:
    """`hashes[offsets[i]:offsets[i + 1]]` are text i's, in order and with repeats. `words[i]` counts its words.

    `sequences[i]` is equal for texts that have the same words in the same order.
    """

    hashes: U64
    offsets: NDArray[np.int64]
    words: NDArray[np.int64]
    sequences: U64

    def of(self, number: int) -> U64:
        return self.hashes[self.offsets[number] : self.offsets[number + 1]]


def shingle(texts: Sequence[str]) -> Shingles:
    """Of each text, given case-folded, the first 200,000 characters; all together about a megabyte at most."""
    encoded = [text[:_MOST_CHARACTERS].encode(errors="replace")[:_MOST_BYTES] for text in texts]
    ends = np.cumsum([len(one) + 1 for one in encoded], dtype=np.int64)
    content = np.frombuffer(b"\n".join([*encoded, b""]), np.uint8)
    starts, stops = _words(content)
    words = np.diff(np.searchsorted(starts, ends), prepend=0)
    padded, firsts = _with_edges(_hash_words(content, starts, stops), words)
    hashes = _hash_triples(padded, firsts, words)
    offsets = np.concatenate(([0], np.cumsum(words + 2)))
    sequences = np.add.reduceat(hashes, offsets[:-1]) if len(texts) else np.empty(0, np.uint64)
    return Shingles(hashes, offsets, words, sequences)


def jaccard(one: U64, other: U64) -> float:
    """How much of two sets (sorted, without repeats) is in both: 0..1."""
    if not len(one) or not len(other):
        return 0.0
    shared = int(np.count_nonzero(one[np.minimum(np.searchsorted(one, other), len(one) - 1)] == other))
    return shared / (len(one) + len(other) - shared)


def _words(content: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each word starts and ends, in bytes of UTF-8."""
    kinds = _kinds()[content]
    signs = np.flatnonzero(content == 0xE2)  # U+2000 to U+2FFF in three bytes: quotes, dashes, signs; no letters
    for byte in range(3):
        kinds[signs + byte] = 0
    is_word = kinds > 0
    before = np.concatenate(([False], is_word[:-1]))
    is_start = is_word & ~before
    alone = np.flatnonzero(kinds == _LETTER_OF_ITS_OWN)
    if len(alone):
        is_start[alone] = True
        after = alone + np.where(content[alone] >= 0xF0, 4, 3)
        after = after[after < len(content)]
        is_start[after[is_word[after]]] = True
    is_end = before & (~is_word | is_start)
    return np.flatnonzero(is_start), np.flatnonzero(is_end)


def _hash_words(content: NDArray[np.uint8], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> U64:
    """Of each word the first eight bytes, the last eight and the length, mixed. What a longer word has between them
    doesn't count: that is rare, and takes a third of the time of hashing every byte.
    """
    eights = np.ndarray(
        len(content) + 8, "<u8", np.concatenate((_EIGHT_ZEROS, content, _EIGHT_ZEROS)).tobytes(), 0, (1,)
    )
    lengths = (stops - starts).astype(np.uint64)
    unused = np.uint64(8) * (np.uint64(8) - np.minimum(lengths, np.uint64(8)))
    heads = (eights[starts + 8] << unused).astype(np.uint64)
    return _mixed(heads * _WEIGHTS[0] + (eights[stops] >> unused) * _WEIGHTS[1] + lengths * _WEIGHTS[2])


def _with_edges(hashed: U64, words: NDArray[np.int64]) -> tuple[U64, NDArray[np.int64]]:
    firsts = np.concatenate(([0], np.cumsum(words + 4)[:-1])) if len(words) else np.empty(0, np.int64)
    padded = np.full(len(hashed) + 4 * len(words), _EDGE)
    places = np.repeat(firsts + 2 - np.concatenate(([0], np.cumsum(words)[:-1])), words) + np.arange(len(hashed))
    padded[places] = hashed
    return padded, firsts


def _hash_triples(padded: U64, firsts: NDArray[np.int64], words: NDArray[np.int64]) -> U64:
    if not len(firsts):
        return np.empty(0, np.uint64)
    joined = padded[:-2] * _WEIGHTS[0] + padded[1:-1] * _WEIGHTS[1] + padded[2:] * _WEIGHTS[2]
    is_inside = np.ones(len(joined), bool)
    across = (firsts + words + 2)[:-1]
    is_inside[across] = False
    is_inside[across + 1] = False
    return _mixed(joined[is_inside])


def _mixed(values: U64) -> U64:
    values = values ^ (values >> np.uint64(32))
    values *= _WEIGHTS[2]
    return values ^ (values >> np.uint64(29))


@cache
def _kinds() -> NDArray[np.uint8]:
    """The kind of each byte: 0 parts words, 1 belongs to one, 2 begins a character that is a word of its own."""
    kinds = np.full(256, _WORD, np.uint8)
    kinds[list(range(33)) + [ord(sign) for sign in ".,;:!?\"'`()[]{}\x7f"]] = 0
    kinds[0xE0:0xF8] = _LETTER_OF_ITS_OWN
    return kinds
