"""What differs between two states of a part, by content: which rows are gone, which are new, which became another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from backend.domain_datasets import Change
from backend.studio.row_index import RowIndex, index_of, messages_of

Pair = tuple[int | None, int | None]
"""The number of a row before and after; None where there is none."""

_ALIKE = 0.5
"""Rows that share this part of their words are one row that was edited."""
_MOST_COMPARISONS = 10_000


def compare(part: str, before: Path, after: Path, limit: int) -> list[Change]:
    """The first `limit` changes, in the order of the rows."""
    pairs = pair_rows(before, after)[: max(0, limit)]
    if not pairs:
        return []
    old = index_of(before).rows(number for number, _ in pairs if number is not None)
    new = index_of(after).rows(number for _, number in pairs if number is not None)
    return [
        Change(
            part,
            next(old).messages if number is not None else None,
            next(new).messages if other is not None else None,
        )
        for number, other in pairs
    ]


def count_changes(parts: Iterable[tuple[Path, Path]]) -> tuple[int, int, int]:
    """Added, removed and edited rows over (before, after) of each part."""
    added = removed = edited = 0
    for before, after in parts:
        for old, new in pair_rows(before, after):
            added += old is None
            removed += new is None
            edited += old is not None and new is not None
    return added, removed, edited


def pair_rows(before: Path, after: Path) -> list[Pair]:
    """The rows that are in one of the two only, an edited row as one pair.

    Rows with the same content are the same row wherever they stand. The others are paired with those that follow the
    same row in the other file, if they are alike or stand there alone.
    """
    if before.samefile(after):
        return []
    index_before, index_after = index_of(before), index_of(after)
    old, new = _hashes_of(index_before), _hashes_of(index_after)
    common = Counter(old) & Counter(new)
    old_gaps, old_last = _gaps(old, common)
    new_gaps, new_last = _gaps(new, common)
    pairs: list[Pair] = []
    for anchor in old_gaps.keys() | new_gaps.keys():
        at_end = anchor == old_last == new_last
        pairs += _paired(old_gaps[anchor], new_gaps[anchor], at_end, index_before, index_after)
    return sorted(pairs, key=lambda pair: (pair[0] if pair[0] is not None else pair[1] or 0, pair[1] or 0))


_Anchor = tuple[int, int]


def _gaps(hashes: Sequence[int], common: Counter[int]) -> tuple[defaultdict[_Anchor, list[int]], _Anchor]:
    """The rows that only this file has, by the common row they follow; and the last common row."""
    seen: Counter[int] = Counter()
    gaps: defaultdict[_Anchor, list[int]] = defaultdict(list)
    anchor = (0, 0)
    for number, of_row in enumerate(hashes):
        if seen[of_row] < common[of_row]:
            seen[of_row] += 1
            anchor = (of_row, seen[of_row])
        else:
            gaps[anchor].append(number)
    return gaps, anchor


def _paired(old: list[int], new: list[int], at_end: bool, before: RowIndex, after: RowIndex) -> list[Pair]:
    """`at_end` of the files a row may have been deleted and another one added, so that likeness has to show."""
    if not old or not new:
        return [*((number, None) for number in old), *((None, number) for number in new)]
    if (len(old) == len(new) and not at_end) or len(old) * len(new) > _MOST_COMPARISONS:
        shared = min(len(old), len(new))
        rest: list[Pair] = [*((number, None) for number in old[shared:]), *((None, number) for number in new[shared:])]
        return [*zip(old, new, strict=False), *rest]
    words_before = [_words(line) for line in before.lines(old)]
    pairs: list[Pair] = []
    next_old = 0
    for number, line in zip(new, after.lines(new), strict=True):
        words = _words(line)
        place = next((at for at in range(next_old, len(old)) if _are_alike(words_before[at], words)), None)
        if place is None:
            pairs.append((None, number))
            continue
        pairs += [(gone, None) for gone in old[next_old:place]]
        pairs.append((old[place], number))
        next_old = place + 1
    return [*pairs, *((number, None) for number in old[next_old:])]


def _words(line: bytes) -> frozenset[str]:
    return frozenset(word for message in messages_of(line) for word in message.content.split())


def _are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _ALIKE * min(len(one), len(other))


def _hashes_of(index: RowIndex) -> Sequence[int]:
    """64 bits of each row's digest: enough to tell rows apart, and nothing has to be read."""
    return memoryview(index.digests).cast("q")[::2].tolist()
