"""Which rows are held out: decided by their content and a seed alone, so that everyone gets the same split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from backend.errors import BadInput
from backend.i18n import _


def split(digests: Sequence[bytes], eval_fraction: float, seed: int) -> list[bool]:
    """Which rows are held out: True is eval. The same rows, fraction and seed give the same answer on every machine.

    Equal rows are drawn together, so that no held-out question was trained on. The conversations are ordered by
    BLAKE2b of seed and content, and taken from the front up to `eval_fraction` of the rows (at least one row, at
    most all but one). Raises BadInput below two different rows.
    """
    if not 0 < eval_fraction < 1:
        raise BadInput(
            _("The share of held-out rows is {fraction}; it must be between 0 and 1.").format(fraction=eval_fraction),
            how_to_fix=_("Use 0.2 for one row in five."),
            code="bad_fraction",
        )
    copies: dict[bytes, int] = {}
    for digest in digests:
        copies[digest] = copies.get(digest, 0) + 1
    if len(copies) < 2:
        raise BadInput(
            _("The file has one conversation only.")
            if len(digests) < 2
            else _("All {count} rows are the same conversation.").format(count=len(digests)),
            why=_("One part is trained on and another held out, so at least two different ones are needed."),
            how_to_fix=_("Add more conversations; a few dozen is a good start."),
            code="too_few_rows",
        )
    key = str(seed).encode()
    order = sorted(copies, key=lambda digest: hashlib.blake2b(digest, key=key[:64]).digest())
    wanted = max(1, round(len(digests) * eval_fraction))
    held_out: set[bytes] = set()
    taken = 0
    for digest in order:
        if len(held_out) == len(order) - 1:
            break
        if taken + copies[digest] <= wanted:
            held_out.add(digest)
            taken += copies[digest]
    if not held_out:  # every conversation has more copies than wanted: the least repeated one goes
        held_out.add(min(order, key=lambda digest: copies[digest]))
    return [digest in held_out for digest in digests]
