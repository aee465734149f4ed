"""Which rows are held out: decided by their content and a seed alone, so that everyone gets the same split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

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
    different = set(digests)
    if len(different) < 2:
        raise _too_few(len(digests))
    wanted = _wanted(choice, len(digests))
    groups = _groups(digests, clusters, strata, str(choice.seed).encode()[:64])
    if len(groups) < 2:
        groups = _groups(digests, None, strata, str(choice.seed).encode()[:64])
    held_out = _draw(groups, wanted)
    is_eval = [False] * len(digests)
    for group in held_out:
        for row in group.rows:
            is_eval[row] = True
    return is_eval


@dataclass
class _Group:
    key: bytes
    stratum: Hashable
    rows: list[int] = field(default_factory=list)


def _groups(
    digests: Sequence[bytes], clusters: Iterable[int] | None, strata: Sequence[Hashable] | None, key: bytes
) -> list[_Group]:
    """Rows that belong together, in the order in which they are drawn. Equal rows join the clusters they are in."""
    of_digest: dict[bytes, int] = {}
    parents: list[int] = []

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first_of_cluster: dict[int, int] = {}
    numbers: list[int] = []
    for digest, cluster in zip(digests, range(len(digests)) if clusters is None else clusters, strict=True):
        number = of_digest.setdefault(digest, len(parents))
        if number == len(parents):
            parents.append(number)
        numbers.append(number)
        parents[root(number)] = root(first_of_cluster.setdefault(int(cluster), number))
    keys = {digest: hashlib.blake2b(digest, key=key).digest() for digest in of_digest}
    groups: dict[int, _Group] = {}
    for row, (digest, number) in enumerate(zip(digests, numbers, strict=True)):
        group = groups.setdefault(root(number), _Group(keys[digest], None))
        group.key = min(group.key, keys[digest])
        group.rows.append(row)
    for group in groups.values():
        if strata is not None:
            group.stratum = strata[group.rows[0]]
            if len(group.rows) > 1:
                counts = Counter(strata[row] for row in group.rows)
                group.stratum = min(counts, key=lambda stratum: (-counts[stratum], str(stratum)))
    return sorted(groups.values(), key=lambda group: group.key)


def _draw(groups: Sequence[_Group], wanted: int) -> list[_Group]:
    left = _quotas(groups, wanted)
    held_out: list[_Group] = []
    passed: list[_Group] = []
    for group in groups:
        if len(group.rows) <= left[group.stratum] and len(held_out) < len(groups) - 1:
            held_out.append(group)
            left[group.stratum] -= len(group.rows)
        else:
            passed.append(group)
    missing = wanted - sum(len(group.rows) for group in held_out)
    for group in passed:  # what a stratum's large groups could not fill, others give
        if len(group.rows) <= missing and len(held_out) < len(groups) - 1:
            held_out.append(group)
            missing -= len(group.rows)
    return held_out or [min(groups, key=lambda group: len(group.rows))]


def _quotas(groups: Sequence[_Group], wanted: int) -> dict[Hashable, int]:
    """The wanted count shared out by size, largest remainder first."""
    sizes: Counter[Hashable] = Counter()
    for group in groups:
        sizes[group.stratum] += len(group.rows)
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
