"""Rows become a dataset: what was decided is applied, sets are mixed, rows are held out, all is copied once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.domain import Dataset
from backend.domain_datasets import Decision, SplitChoice
from backend.errors import BadInput
from backend.i18n import _
from backend.studio import dataset_folder
from backend.studio.content_fixes import apply
from backend.studio.mixing import MixedSet, mix
from backend.studio.part_writer import PartWriter
from backend.studio.row_index import RowIndex, index_of, line_of, messages_of
from backend.studio.row_origins import Origins, origins_of
from backend.studio.split import hold_out

if TYPE_CHECKING:
    import numpy as np

_READ_AHEAD = 1 << 20


@dataclass(frozen=True)
class RowSet:
    """The rows of a canonical file, and what was decided about those that checks have flagged.

    `flags` has one bit mask a row (`finding_codes.BITS`), or is empty. `groups` are the ids of near-duplicates
    (`examination.Examined`). `weight` is how often the set is taken (`mixing`).
    """

    name: str
    path: Path
    origins: Origins | None = None
    flags: Sequence[int] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    groups: Sequence[int] = ()
    weight: float = 1.0

    @property
    def is_as_read(self) -> bool:
        """Nothing was decided that changes a row."""
        return not self.decisions or not any(self.flags)

    def decided(self) -> Iterator[tuple[int, bytes]]:
        """Number and line of each row that stays, put right as was decided."""
        with self.path.open("rb", buffering=_READ_AHEAD) as file:
            for number, (line, flags) in enumerate(zip(file, self.flags, strict=True)):
                if not flags:
                    yield number, line
                elif (messages := apply(messages_of(line), int(flags), self.decisions)) is not None:
                    yield number, line_of(messages)


@dataclass(frozen=True)
class _Ready:
    """A set whose decisions are applied."""

    name: str
    index: RowIndex
    origins: Origins
    digests: Sequence[bytes]
    groups: Sequence[int]
    weight: float

    def strata(self, rows: np.ndarray) -> list[str]:
        """What each of the rows came from: a file, or the set where that isn't known."""
        return [name or self.name for name in self.origins.files_of(rows)]


def save_split(
    folder: Path,
    sets: Sequence[RowSet],
    name: str,
    origin: str,
    choice: SplitChoice,
    *,
    detail: Mapping[str, Any] | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> Dataset:
    """Raises BadInput for too few rows or a split that can't be, NoRoom for a full disk; then nothing is left."""
    import numpy as np

    with _Prepared(folder, sets) as ready:
        taken = _mixed(ready, choice.seed)
        is_eval = hold_out(
            [one.digests[row] for one, rows in zip(ready, taken, strict=True) for row in rows.tolist()],
            choice,
            _clusters(ready, taken, on_progress) if choice.keep_similar_together else None,
            [stratum for one, rows in zip(ready, taken, strict=True) for stratum in one.strata(rows)],
        )
        held_out = np.split(np.array(is_eval), np.cumsum([len(rows) for rows in taken])[:-1])
        facts = {"eval_fraction": choice.eval_fraction, "eval_rows": choice.eval_rows}
        facts |= {**(detail or {}), **_weights(ready)}

        def write(train_part: PartWriter, eval_part: PartWriter) -> None:
            for part, wanted in ((train_part, False), (eval_part, True)):
                for one, rows, is_held in zip(ready, taken, held_out, strict=True):
                    _copy(part, one, rows[is_held == wanted])
                on_progress(1.0 if wanted else 0.75)

        return dataset_folder.save(folder, name, origin, choice.seed, facts, write)


def save_pair(
    folder: Path,
    train_sets: Sequence[RowSet],
    eval_set: RowSet,
    name: str,
    origin: str,
    *,
    seed: int = 0,
    drop_leaks: bool = False,
    detail: Mapping[str, Any] | None = None,
) -> Dataset:
    """The person's own held-out rows are taken as they are; rows that are in both are counted (`shared_rows`), and
    with `drop_leaks` left out of train, together with near-duplicates of held-out rows.
    """
    with _Prepared(folder, [*train_sets, eval_set]) as ready:
        *train, held_out = ready
        taken = _mixed(train, seed)
        kept = taken
        if drop_leaks:
            kept = [rows[~leaks[rows]] for rows, leaks in zip(taken, _leaks(train, held_out), strict=True)]
        if not any(map(len, kept)) or not held_out.digests:
            raise BadInput(
                _("Nothing is left to train on.") if held_out.digests else _("No example is held out."),
                why=_("Every example is held out too.") if held_out.digests else "",
                how_to_fix=_("Hold out other examples, or let Phi Desk choose them."),
                code="too_few_rows",
            )

        def write(train_part: PartWriter, eval_part: PartWriter) -> None:
            for one, rows in zip(train, kept, strict=True):
                _copy(train_part, one, rows)
            _copy(eval_part, held_out, range(len(held_out.digests)))

        shared = set(held_out.digests).intersection(chain.from_iterable(one.digests for one in train))
        dropped = sum(map(len, taken)) - sum(map(len, kept))
        facts = {"shared_rows": len(shared), "dropped_rows": dropped, **(detail or {}), **_weights(train)}
        return dataset_folder.save(folder, name, origin, seed, facts, write)


def _mixed(sets: Sequence[_Ready], seed: int) -> list[np.ndarray]:
    """The rows that are taken of each set, in order; some more than once."""
    import numpy as np

    times = mix([MixedSet(one.name, one.digests, one.weight) for one in sets], seed=seed)
    return [np.repeat(np.arange(len(of_set)), of_set) for of_set in times]


def _weights(sets: Sequence[_Ready]) -> dict[str, Any]:
    return {"mixed": {one.name: one.weight for one in sets}} if len(sets) > 1 else {}


def _leaks(train: Sequence[_Ready], held_out: _Ready) -> Iterator[np.ndarray]:
    """Which rows of each set stand in the held-out one too, or are nearly the same as one there."""
    import numpy as np

    ready = [*train, held_out]
    clusters = _clusters(ready, [np.arange(len(one.digests)) for one in ready], lambda done: None)
    of_train = [list(islice(clusters, len(one.digests))) for one in train]
    of_held_out, asked = set(clusters), set(held_out.digests)
    for one, found in zip(train, of_train, strict=True):
        pairs = zip(one.digests, found, strict=True)
        yield np.array([digest in asked or cluster in of_held_out for digest, cluster in pairs], dtype=bool)


class _Prepared:
    """Sets with their decisions applied; texts that a fix changed lie in files that are gone at the end."""

    def __init__(self, folder: Path, sets: Sequence[RowSet]) -> None:
        self._folder, self._sets = folder, sets
        self._stack = ExitStack()

    def __enter__(self) -> list[_Ready]:
        try:
            return [self._prepare(one) for one in self._sets]
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _prepare(self, one: RowSet) -> _Ready:
        origins = one.origins or origins_of(one.path)
        if one.is_as_read:
            index = index_of(one.path)
            return _Ready(one.name, index, origins, index.digest_list(), one.groups, one.weight)
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._stack.enter_context(tempfile.TemporaryDirectory(prefix=".applied-", dir=self._folder))
        path = Path(place) / "rows.jsonl"
        writer = PartWriter(path)
        groups: list[int] = []
        try:
            for number, line in one.decided():
                writer.write(line, *origins.of(number))
                groups += one.groups[number : number + 1]
            writer.close()
        finally:
            writer.abandon()
        return _Ready(one.name, writer.index, origins_of(path), writer.index.digest_list(), groups, one.weight)


def _clusters(
    ready: Sequence[_Ready], taken: Sequence[np.ndarray], on_progress: Callable[[float], None]
) -> Iterator[int]:
    if len(ready) == 1 and ready[0].groups:
        return (ready[0].groups[row] for row in taken[0].tolist())
    from backend.studio.similarity import similar_clusters

    found = similar_clusters([one.index.path for one in ready], lambda done: on_progress(0.5 * done))
    firsts = accumulate((len(one.index) for one in ready), initial=0)
    return (int(found[first + row]) for first, rows in zip(firsts, taken, strict=False) for row in rows.tolist())


def _copy(part: PartWriter, ready: _Ready, rows: Sequence[int] | np.ndarray) -> None:
    with ready.index.path.open("rb", buffering=0) as source:
        part.copy_rows(ready.index, rows, ready.origins, source)
