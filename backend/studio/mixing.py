"""Several sets mixed by weight: which rows of each, and how often. Decided by content, weight and seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from backend.errors import BadInput
from backend.i18n import _


@dataclass(frozen=True)
class MixedSet:
    """A set to mix in: its rows by their digests (equal for equal rows), and its weight.

    The weight says how often the set is taken: 0.5 is half of its rows, 2 is each row twice.
    """

    name: str
    digests: Sequence[bytes]
    weight: float = 1.0


def mix(sets: Sequence[MixedSet], *, seed: int = 0) -> tuple[tuple[int, ...], ...]:
    """How often each row of each set is taken; 0 leaves it out.

    Rows are drawn without replacement: none is taken a second time before all of its set are taken once.

    Raises BadInput for weights that leave nothing.
    """
    _require_fit(sets)
    return tuple(_times(one.digests, _count(one), seed) for one in sets)


def _count(one: MixedSet) -> int:
    return max(round(len(one.digests) * one.weight), int(one.weight > 0 < len(one.digests)))


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


def _require_fit(sets: Sequence[MixedSet]) -> None:
    for one in sets:
        if not 0 <= one.weight <= 1000:
            raise BadInput(
                _("The weight of {name} is {weight}; it must be between 0 and 1000.").format(
                    name=one.name, weight=one.weight
                ),
                how_to_fix=_("Use 1 to take the set as it is, 0.5 for half of it, 2 to take it twice."),
                code="bad_weight",
            )
    if not any(one.weight > 0 and one.digests for one in sets):
        raise BadInput(
            _("Nothing is left of the sets to mix."),
            why=_("Each is empty or has the weight 0."),
            how_to_fix=_("Give at least one set a weight above 0."),
            code="nothing_to_mix",
        )
