"""The tokens of every row and where its answers lie, as numbers that answer any question of length at once (numpy)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LENGTHS = tuple(128 * 2**power for power in range(11))
"""What a maximum length is chosen from: 128 to 131,072 tokens."""
WHOLE_ANSWERS = 0.99
BINS = 24


@dataclass(frozen=True)
class Bin:
    """How many have at least `low` and fewer than `high` tokens; the last bin has no `high`."""

    low: int
    high: int | None
    count: int


@dataclass(frozen=True)
class RowLength:
    """One row in tokens. `spans` are its answers (first, and the one after the last); `opening` are the first tokens
    that stay when its oldest exchange goes.
    """

    part: str
    number: int
    total: int
    spans: tuple[tuple[int, int], ...]
    opening: int


@dataclass(frozen=True)
class CutReport:
    """What a maximum length does. `answer_tokens_cut` are tokens that would be learnt without it.

    `too_long`, `cut` and `without_trainable` hold the numbers of rows by part: longer than that, an answer cut, and
    nothing left to learn.
    """

    max_length: int
    rows_too_long: int
    answers_cut: int
    answer_tokens_cut: int
    rows_without_trainable: int
    too_long: Mapping[str, np.ndarray]
    cut: Mapping[str, np.ndarray]
    without_trainable: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PartTokens:
    """One part. Arrays are by row (`totals`, `turns`, `openings`) or by answer (`row_of`, `starts`, `ends`).

    `rows` is how many the part has; of a sample, more than are in the arrays, and its numbers mean nothing.
    """

    name: str
    rows: int
    context: int
    totals: np.ndarray
    turns: np.ndarray
    openings: np.ndarray
    row_of: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    refused: np.ndarray
    reason_of: np.ndarray
    reasons: tuple[str, ...]

    @classmethod
    def load(cls, name: str, path: Path) -> PartTokens:
        """Raises FileNotFoundError for a file that is gone, one of `disk_cache.DAMAGED` for one that is damaged."""
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            columns = {key: file[key] for key in file.files}
        answers = columns["answers"]
        return cls(
            name=name,
            rows=int(columns["rows"]),
            context=int(columns["context"]),
            totals=columns["totals"].astype(np.int64),
            turns=columns["turns"].astype(np.int64),
            openings=columns["openings"].astype(np.int64),
            row_of=np.repeat(np.arange(len(answers)), answers),
            starts=columns["starts"].astype(np.int64),
            ends=columns["ends"].astype(np.int64),
            refused=columns["refused"].astype(np.int64),
            reason_of=columns["reason_of"].astype(np.int64),
            reasons=tuple(str(reason) for reason in columns["reasons"]),
        )

    def learnt(self, max_length: int) -> np.ndarray:
        """Tokens to learn, by row. A conversation's first token is never predicted, so it doesn't count."""
        import numpy as np

        tokens = np.clip(np.minimum(self.ends, max_length) - np.maximum(self.starts, 1), 0, None)
        return np.bincount(self.row_of, weights=tokens, minlength=len(self.totals)).astype(np.int64)

    def usable(self) -> np.ndarray:
        """Which rows the template takes."""
        import numpy as np

        usable = np.ones(len(self.totals), bool)
        usable[self.refused] = False
        return usable


class TokenTable:
    """Of all parts together. `is_estimate` where it is of a sample; `scale` is how many rows one of it stands for."""

    def __init__(self, parts: Sequence[PartTokens], *, is_estimate: bool = False) -> None:
        self.parts = tuple(parts)
        self.is_estimate = is_estimate

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def scale(self) -> float:
        return self.rows / max(1, sum(len(part.totals) for part in self.parts))

    @property
    def context(self) -> int:
        """Tokens that the model reads at most; 0 where it doesn't say."""
        return max((part.context for part in self.parts), default=0)

    @property
    def totals(self) -> np.ndarray:
        """Tokens of each conversation that the template takes."""
        return _join([part.totals[part.usable()] for part in self.parts])

    @property
    def answers(self) -> np.ndarray:
        """Tokens of each answer, with the one that ends it."""
        return _join([part.ends - part.starts for part in self.parts])

    @property
    def turns(self) -> np.ndarray:
        """Messages of each conversation."""
        return _join([part.turns for part in self.parts])

    def total_tokens(self) -> int:
        return round(int(self.totals.sum()) * self.scale)

    def answer_tokens(self) -> int:
        return round(int(self.answers.sum()) * self.scale)

    def lengths(self, bins: int = BINS) -> tuple[Bin, ...]:
        """The histogram of tokens per conversation; of a sample, scaled to all rows."""
        return histogram(self.totals, bins, self.scale)

    def answer_lengths(self, bins: int = BINS) -> tuple[Bin, ...]:
        """The histogram of tokens per answer."""
        return histogram(self.answers, bins, self.scale)

    def turn_counts(self) -> tuple[tuple[int, int], ...]:
        """`(messages, conversations)`, the fewest messages first."""
        import numpy as np

        values, counts = np.unique(self.turns, return_counts=True)
        return tuple((int(v), round(int(c) * self.scale)) for v, c in zip(values, counts, strict=True))

    def quantile(self, share: float) -> int:
        """The length in tokens that this share of the conversations doesn't exceed."""
        import numpy as np

        return int(np.quantile(self.totals, share, method="inverted_cdf")) if len(self.totals) else 0

    def longest(self, count: int = 10) -> tuple[RowLength, ...]:
        import numpy as np

        found: list[RowLength] = []
        for part in self.parts:
            found += [self.row(part.name, int(number)) for number in np.argsort(-part.totals, kind="stable")[:count]]
        return tuple(sorted(found, key=lambda row: -row.total)[:count])

    def row(self, part: str, number: int) -> RowLength:
        """Raises KeyError or IndexError for one that there is not."""
        import numpy as np

        found = next((one for one in self.parts if one.name == part), None)
        if found is None:
            raise KeyError(part)
        first, last = np.searchsorted(found.row_of, [number, number + 1])
        spans = zip(found.starts[first:last].tolist(), found.ends[first:last].tolist(), strict=True)
        return RowLength(part, number, int(found.totals[number]), tuple(spans), int(found.openings[number]))

    def suggestion(self) -> int:
        """The maximum length to train with: the smallest of 128, 256, 512 and so on, each twice the one before, that
        leaves at least 99 of 100 answers whole; at most what the model can read (then exactly that).
        """
        import numpy as np

        ends = _join([part.ends for part in self.parts])
        needed = int(np.quantile(ends, WHOLE_ANSWERS, method="inverted_cdf")) if len(ends) else LENGTHS[0]
        fitting = next((length for length in LENGTHS if length >= needed), LENGTHS[-1])
        return min(fitting, self.context) if self.context else fitting

    def cut(self, max_length: int) -> CutReport:
        """For any maximum length at once; counts of a sample are scaled to all rows."""
        import numpy as np

        too_long, cut, empty = {}, {}, {}
        answers = tokens = 0
        for part in self.parts:
            lost = np.where(part.ends > part.starts, part.ends - np.maximum(part.starts, max_length), 0)
            is_cut = lost > 0
            answers += int(is_cut.sum())
            tokens += int(lost[is_cut].sum())
            too_long[part.name] = np.flatnonzero(part.totals > max_length)
            cut[part.name] = np.unique(part.row_of[is_cut])
            empty[part.name] = np.flatnonzero((part.learnt(max_length) == 0) & part.usable())
        return CutReport(
            max_length=max_length,
            rows_too_long=self._scaled(too_long),
            answers_cut=round(answers * self.scale),
            answer_tokens_cut=round(tokens * self.scale),
            rows_without_trainable=self._scaled(empty),
            too_long=too_long,
            cut=cut,
            without_trainable=empty,
        )

    def refused(self) -> Iterator[tuple[str, int, str]]:
        """`(part, number, reason)` of the rows that the template can't write down."""
        for part in self.parts:
            for number, reason in zip(part.refused.tolist(), part.reason_of.tolist(), strict=True):
                yield part.name, number, part.reasons[reason]

    def _scaled(self, rows: Mapping[str, np.ndarray]) -> int:
        return round(sum(map(len, rows.values())) * self.scale)


def histogram(values: np.ndarray, bins: int, scale: float = 1.0) -> tuple[Bin, ...]:
    """At most `bins` bins of equal width, in round numbers (1, 2 or 5 with noughts), and the last one open: some very
    long ones don't squeeze all others into the first bin. Empty for no values.
    """
    import numpy as np

    if not len(values):
        return ()
    usual = int(np.quantile(values, 0.995, method="inverted_cdf"))
    width = _round_width(usual + 1, bins)
    last = usual // width
    counts = np.bincount(np.minimum(values // width, last).astype(np.int64), minlength=last + 1)
    return tuple(
        Bin(number * width, None if number == last else (number + 1) * width, round(int(count) * scale))
        for number, count in enumerate(counts)
    )


def _round_width(span: int, bins: int) -> int:
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step * bins >= span:
                return factor * step
        step *= 10


def _join(arrays: Sequence[Any]) -> np.ndarray:
    import numpy as np

    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
