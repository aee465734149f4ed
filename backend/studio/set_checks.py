"""Checks of a set as a whole, over what one pass kept of every row: copies, leaks, answers that say too little."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.studio import finding_codes as codes
from backend.studio.shingles import U64

MOST_PLACES = 1000
"""Of each finding so many rows are named."""
ENOUGH_EXAMPLES = 200
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """A row of a finding by its number among the rows of all parts; `other` is the row that it is compared with."""

    row: int
    excerpt: str = ""
    what: str = ""
    other: int = -1


@dataclass
class Observed:
    """What a check found, without words: these are made when it is shown, in the language of whoever looks."""

    code: str
    count: int = 0
    places: list[Place] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What a pass kept: an entry per row of all parts. `parts` says which part a row is of.

    Digests are equal for equal texts: of the whole conversation, of what is asked (system and user; 0 where very many
    rows ask it), of the last answer. `clusters` are of near-duplicates. `flags` are added to.
    """

    parts: NDArray[np.uint8]
    conversations: U64
    questions: U64
    answers: U64
    answer_lengths: NDArray[np.uint32]
    clusters: Rows
    flags: NDArray[np.uint32]

    def rows_of(self, part: int) -> Rows:
        return np.flatnonzero(self.parts == part)

    def mark(self, code: str, rows: Rows) -> None:
        self.flags[rows] |= np.uint32(codes.BITS[code])


def find_copies(facts: Facts, part: int) -> list[Observed]:
    """Rows that stand in the part before, to the letter or nearly; the first of each is no copy."""
    rows = facts.rows_of(part)
    first = _first_with(facts.conversations[rows], rows)
    copies = rows[first != rows]
    kept = rows[first == rows]
    like = _first_with(facts.clusters[kept], kept)
    near = kept[like != kept]
    found = []
    for code, some, others in (
        (codes.DUPLICATES, copies, first[first != rows]),
        (codes.NEAR_DUPLICATES, near, like[like != kept]),
    ):
        facts.mark(code, some)
        found.append(_observed(code, some, others))
    return found


def find_conflicts(facts: Facts, part: int) -> list[Observed]:
    """Rows that ask the same as another and end with another answer. It can't be known which one is right, so all of
    them are found. A question that very many rows ask (the same instruction with another text left out) is none.
    """
    rows = facts.rows_of(part)
    rows = rows[facts.questions[rows] != 0]
    asked, answers = facts.questions[rows], facts.answers[rows]
    first = _first_with(asked, rows)
    differs = answers != facts.answers[first]
    second = dict(zip(asked[differs][::-1].tolist(), rows[differs][::-1].tolist(), strict=True))
    in_conflict = np.isin(asked, asked[differs])
    others = [
        int(start) if is_other else second[question]
        for start, is_other, question in zip(
            first[in_conflict], differs[in_conflict], asked[in_conflict].tolist(), strict=True
        )
    ]
    facts.mark(codes.CONFLICTING, rows[in_conflict])
    return [_observed(codes.CONFLICTING, rows[in_conflict], others)]


def find_leaks(facts: Facts, train: int, held_out: int) -> list[Observed]:
    """Held-out rows that are also trained on. The rows of `train` are flagged: leaving them out ends the leak.

    A question that very many rows ask (the same instruction with another system message left out) is no leak.
    """
    trained, tested = facts.rows_of(train), facts.rows_of(held_out)
    found = []
    is_left = np.ones(len(tested), bool)
    for code, keys in (
        (codes.LEAK_EXACT, facts.conversations),
        (codes.LEAK_QUESTION, facts.questions),
        (codes.LEAK_NEAR, facts.clusters.astype(np.uint64) + np.uint64(1)),
    ):
        values, firsts = np.unique(keys[trained], return_index=True)
        if not len(values):
            break
        places = np.minimum(np.searchsorted(values, keys[tested]), len(values) - 1)
        is_leak = (values[places] == keys[tested]) & (keys[tested] != 0) & is_left
        is_left &= ~is_leak
        facts.mark(code, trained[np.isin(keys[trained], keys[tested][is_leak])])
        found.append(_observed(code, tested[is_leak], trained[firsts[places[is_leak]]]))
    return found


def find_lengths(facts: Facts, part: int) -> list[Observed]:
    """Answers far off what is usual in the part: ten times its median, or a word where paragraphs are usual."""
    rows = facts.rows_of(part)
    if len(rows) < 20:
        return []
    lengths = facts.answer_lengths[rows]
    median = float(np.median(lengths))
    found = []
    for code, is_far in (
        (codes.LONG_ANSWERS, lengths > max(10 * median, 2000)),
        (codes.SHORT_ANSWERS, (lengths <= 5) & (median >= 150)),
    ):
        facts.mark(code, rows[is_far])
        observed = _observed(code, rows[is_far])
        observed.figures["median_characters"] = median
        found.append(observed)
    return found


def find_uneven_answers(facts: Facts, part: int) -> list[Observed]:
    """The same answer to most questions; or, where answers are classes, one class in nearly all rows.

    Answers count as classes where few different ones are each given several times.
    """
    rows = facts.rows_of(part)
    if len(rows) < 10:
        return []
    values, inverse, counts = np.unique(facts.answers[rows], return_inverse=True, return_counts=True)
    largest = int(np.argmax(counts))
    share = float(counts[largest] / len(rows))
    are_classes = 1 < len(values) <= 30 and len(rows) >= 5 * len(values)
    if share < (0.8 if are_classes else 0.2) or counts[largest] < 10:
        return []
    observed = _observed(codes.UNEVEN_ANSWERS if are_classes else codes.ONE_ANSWER, rows[inverse == largest])
    observed.figures.update(share=share, different=float(len(values)), examples=float(len(rows)))
    return [observed]


def find_too_few(facts: Facts, part: int) -> list[Observed]:
    different = len(np.unique(facts.conversations[facts.rows_of(part)]))
    return [Observed(codes.TOO_FEW, different)] if different < ENOUGH_EXAMPLES else []


def merged(found: Iterable[Observed]) -> list[Observed]:
    """One per code, in the order in which findings are shown; those that found nothing are dropped."""
    by_code: dict[str, Observed] = {}
    for one in found:
        known = by_code.setdefault(one.code, Observed(one.code))
        known.count += one.count
        known.places = (known.places + one.places)[:MOST_PLACES]
        known.figures.update(one.figures)
    return [by_code[code] for code in codes.ORDER if code in by_code and (by_code[code].count or code == codes.TOO_FEW)]


def _first_with(keys: NDArray[np.uint64] | Rows, rows: Rows) -> Rows:
    """For each row the first row with the same key."""
    if not len(rows):
        return rows
    _values, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    first: Rows = rows[firsts[inverse]]
    return first


def _observed(code: str, rows: Rows, others: Sequence[int] | Rows = ()) -> Observed:
    paired = [int(one) for one in others[:MOST_PLACES]] or [-1] * min(len(rows), MOST_PLACES)
    places = [Place(int(row), other=other) for row, other in zip(rows[:MOST_PLACES], paired, strict=True)]
    return Observed(code, len(rows), places)
