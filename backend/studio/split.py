"""Which rows are held out: decided by their content and a seed alone, so that everyone gets the same split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from backend.domain_datasets import SplitChoice
from backend.errors import BadInput
from backend.i18n import _, ngettext


def split(digests: Sequence[bytes], eval_fraction: float, seed: int) -> list[bool]:
    """Which rows are held out, where only equal rows belong together. As `hold_out`."""
    return hold_out(digests, SplitChoice(eval_fraction=eval_fraction, seed=seed))


def hold_out(
    digests: Sequence[bytes],
    choice: SplitChoice,
    clusters: Iterable[int] | None = None,
    strata: Sequence[Hashable] | None = None,
) -> list[bool]:
    """Which rows are held out: True is eval. The same rows, choice and seed give the same answer on every machine,
    in whatever order the rows come.

    Equal rows, and rows of one cluster (`similarity.similar_clusters`), are drawn together, so that nothing held out
    was trained on. Each stratum (the name of the file or set a row comes from) gives its share. Groups are ordered
    by BLAKE2b of seed and content and taken from the front, up to the wanted count: it is met exactly where groups
    of fitting sizes are there, and never passed by more than the smallest group. At least one group stays on each
    side. Where all rows are one cluster, only equal rows belong together.

    Raises BadInput below two different rows, and for a share or a count that leaves a side empty.
    """
    _require_fit(choice)
    if len(set(digests)) < 2:
        raise _too_few(len(digests))
    wanted = _wanted(choice, len(digests))
    key = str(choice.seed).encode()[:64]
    groups = _groups(digests, clusters, key)
    if len(groups) < 2:
        groups = _groups(digests, None, key)
    is_eval = [False] * len(digests)
    known = strata or [None] * len(digests)
    of_groups = [known[rows[0]] if len(rows) == 1 else _most_frequent(known[row] for row in rows) for rows in groups]
    for rows in _draw(groups, of_groups, wanted):
        for row in rows:
            is_eval[row] = True
    return is_eval


def _groups(digests: Sequence[bytes], clusters: Iterable[int] | None, key: bytes) -> list[Sequence[int]]:
    """Rows that belong together, in the order in which they are drawn. Equal rows join the clusters they are in."""
    if clusters is None and len(set(digests)) == len(digests):
        keys = [hashlib.blake2b(digest, key=key).digest() for digest in digests]
        return [(row,) for row in sorted(range(len(keys)), key=keys.__getitem__)]
    of_digest: dict[bytes, int] = {}
    numbers = [of_digest.setdefault(digest, len(of_digest)) for digest in digests]
    keys = [hashlib.blake2b(digest, key=key).digest() for digest in of_digest]
    parents = list(range(len(of_digest)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first_of_cluster: dict[int, int] = {}
    if clusters is not None:
        for number, cluster in zip(numbers, clusters, strict=True):
            parents[root(number)] = root(first_of_cluster.setdefault(int(cluster), number))
    rows_of: dict[int, list[int]] = {}
    for row, number in enumerate(numbers):
        rows_of.setdefault(root(number), []).append(row)
    return sorted(rows_of.values(), key=lambda rows: min(keys[numbers[row]] for row in rows))


def _most_frequent(strata: Iterable[Hashable]) -> Hashable:
    counts = Counter(strata)
    return min(counts, key=lambda stratum: (-counts[stratum], str(stratum)))


def _draw(groups: Sequence[Sequence[int]], strata: Sequence[Hashable], wanted: int) -> list[Sequence[int]]:
    left = _quotas(groups, strata, wanted)
    held_out: list[Sequence[int]] = []
    passed: list[Sequence[int]] = []
    missing = wanted
    for rows, stratum in zip(groups, strata, strict=True):
        if not missing:
            break
        if len(rows) <= left[stratum] and len(held_out) < len(groups) - 1:
            held_out.append(rows)
            left[stratum] -= len(rows)
            missing -= len(rows)
        else:
            passed.append(rows)
    for rows in passed:  # what a stratum's large groups could not fill, others give
        if len(rows) <= missing and len(held_out) < len(groups) - 1:
            held_out.append(rows)
            missing -= len(rows)
    return held_out or [min(groups, key=len)]


def _quotas(groups: Sequence[Sequence[int]], strata: Sequence[Hashable], wanted: int) -> dict[Hashable, int]:
    """The wanted count shared out by size, largest remainder first."""
    sizes = Counter(strata)
    for rows, stratum in zip(groups, strata, strict=True):
        if len(rows) > 1:
            sizes[stratum] += len(rows) - 1
    total = sizes.total()
    quotas = {stratum: wanted * size // total for stratum, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda stratum: (-(wanted * sizes[stratum] % total), str(stratum)))
    for stratum in by_remainder[: wanted - sum(quotas.values())]:
        quotas[stratum] += 1
    return quotas


def _wanted(choice: SplitChoice, count: int) -> int:
    if choice.eval_rows is None:
        return max(1, round(count * choice.eval_fraction))
    if choice.eval_rows >= count:
        raise BadInput(
            ngettext(
                "{wanted} examples are to be held out, but there is only {count}.",
                "{wanted} examples are to be held out, but there are only {count}.",
                count,
            ).format(wanted=choice.eval_rows, count=count),
            why=_("At least one example must be left to train on."),
            how_to_fix=_("Choose a smaller number."),
            code="bad_eval_rows",
        )
    return choice.eval_rows


def _require_fit(choice: SplitChoice) -> None:
    if choice.eval_rows is None and not 0 < choice.eval_fraction < 1:
        raise BadInput(
            _("The share of held-out rows is {fraction}; it must be between 0 and 1.").format(
                fraction=choice.eval_fraction
            ),
            how_to_fix=_("Use 0.2 for one row in five."),
            code="bad_fraction",
        )
    if choice.eval_rows is not None and choice.eval_rows < 1:
        raise BadInput(
            _("The number of held-out examples is {count}; it must be 1 or more.").format(count=choice.eval_rows),
            how_to_fix=_("Choose 1 or more."),
            code="bad_eval_rows",
        )


def _too_few(count: int) -> BadInput:
    return BadInput(
        _("The file has one conversation only.")
        if count < 2
        else _("All {count} rows are the same conversation.").format(count=count),
        why=_("One part is trained on and another held out, so at least two different ones are needed."),
        how_to_fix=_("Add more conversations; a few dozen is a good start."),
        code="too_few_rows",
    )
