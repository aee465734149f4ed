"""Several sets mixed by weight: which rows of each, and how often. Decided by content, weight and seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from backend.errors import BadInput
from backend.i18n import _, ngettext


@dataclass(frozen=True)
class MixedSet:
    """A set to mix in: its rows by their digests (equal for equal rows), and its weight.

    Without a total, the weight says how often the set is taken: 0.5 is half of its rows, 2 is each row twice. With a
    total, the weights are shares of it: 3 and 1 give three quarters and one quarter.
    """

    name: str
    digests: Sequence[bytes]
    weight: float = 1.0


@dataclass(frozen=True)
class Mixture:
    """`times[i][row]` says how often row `row` of set i is taken; 0 leaves it out."""

    times: tuple[tuple[int, ...], ...]
    words: tuple[str, ...]
    """What comes out, a sentence per set."""

    @property
    def rows(self) -> int:
        return sum(map(sum, self.times))


def mix(sets: Sequence[MixedSet], *, total: int | None = None, seed: int = 0) -> Mixture:
    """Rows are drawn without replacement: none is taken a second time before all of its set are taken once.

    Raises BadInput for weights or a total that leave nothing.
    """
    _require_fit(sets, total)
    counts = _counts(sets, total)
    times = tuple(_times(one.digests, count, seed) for one, count in zip(sets, counts, strict=True))
    return Mixture(times, tuple(_words(one, count) for one, count in zip(sets, counts, strict=True)))


def _counts(sets: Sequence[MixedSet], total: int | None) -> list[int]:
    if total is None:
        return [max(round(len(one.digests) * one.weight), int(one.weight > 0 < len(one.digests))) for one in sets]
    weights = [one.weight if one.digests else 0.0 for one in sets]
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(count) for count in exact]
    by_remainder = sorted(range(len(sets)), key=lambda number: (counts[number] - exact[number], number))
    for number in by_remainder[: total - sum(counts)]:
        counts[number] += 1
    return counts


def _times(digests: Sequence[bytes], count: int, seed: int) -> tuple[int, ...]:
    if not digests:
        return ()
    rounds, rest = divmod(count, len(digests))
    if not rest:
        return (rounds,) * len(digests)
    key = str(seed).encode()[:64]
    order = sorted(range(len(digests)), key=lambda row: (hashlib.blake2b(digests[row], key=key).digest(), row))
    chosen = set(order[:rest])
    return tuple(rounds + (row in chosen) for row in range(len(digests)))


def _words(one: MixedSet, count: int) -> str:
    rows = len(one.digests)
    if count == rows:
        return ngettext("{name}: its {count} example.", "{name}: all {count} examples.", count).format(
            name=one.name, count=count
        )
    if count < rows:
        return ngettext("{name}: {count} of {rows} example.", "{name}: {count} of {rows} examples.", rows).format(
            name=one.name, count=count, rows=rows
        )
    return ngettext(
        "{name}: {count} examples, its one example repeated.",
        "{name}: {count} examples, its {rows} taken {times} times on average.",
        rows,
    ).format(name=one.name, count=count, rows=rows, times=f"{count / rows:.2g}")


def _require_fit(sets: Sequence[MixedSet], total: int | None) -> None:
    for one in sets:
        if not 0 <= one.weight <= 1000:
            raise BadInput(
                _("The weight of {name} is {weight}; it must be between 0 and 1000.").format(
                    name=one.name, weight=one.weight
                ),
                how_to_fix=_("Use 1 to take the set as it is, 0.5 for half of it, 2 to take it twice."),
                code="bad_weight",
            )
    if total is not None and total < 1:
        raise BadInput(
            _("The total is {total}; it must be 1 or more.").format(total=total),
            how_to_fix=_("Leave it empty to take what the weights give."),
            code="bad_total",
        )
    if not any(one.weight > 0 and one.digests for one in sets):
        raise BadInput(
            _("Nothing is left of the sets to mix."),
            why=_("Each is empty or has the weight 0."),
            how_to_fix=_("Give at least one set a weight above 0."),
            code="nothing_to_mix",
        )
