"""What one pass keeps of every row: digests, a sketch of its text, flags; in pieces of the files, by several processes.

About 200 bytes a row. What texts have to say is checked on the way, so that each row is parsed once.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.domain import Message
from backend.studio.conversation_text import digest, fold
from backend.studio.finding_codes import BITS
from backend.studio.row_index import messages_of
from backend.studio.set_checks import MOST_PLACES, Observed, Place
from backend.studio.shingles import U64
from backend.studio.sketches import Sketches
from backend.studio.text_checks import find_in

_PIECE_BYTES = 16 << 20
_HEAD = 1000
"""Characters of the last two messages that are kept of a row whose language is looked at."""

Sampled = tuple[int, tuple[Message, ...]]


@dataclass(frozen=True)
class RowFacts:
    """An entry per row. Digests are equal for equal texts, whatever their case and spaces: of the whole conversation,
    of what is asked (system and user), of the last answer. `found` and `sampled` number rows as the arrays do.
    """

    parts: NDArray[np.uint8]
    offsets: U64
    sizes: NDArray[np.uint32]
    conversations: U64
    questions: U64
    answers: U64
    answer_lengths: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    bands: NDArray[np.uint32]
    sequences: U64
    is_long: NDArray[np.bool_]
    found: list[Observed] = field(default_factory=list)
    sampled: list[Sampled] = field(default_factory=list)


class _Piece(NamedTuple):
    part: int
    path: Path
    start: int
    stop: int


class _Wish(NamedTuple):
    common: U64
    is_checked: bool
    sample_below: int


def gather(
    paths: Sequence[Path],
    common: U64,
    *,
    is_checked: bool,
    sample_below: int = 0,
    workers: int = 1,
    on_progress: Callable[[float], None] = lambda done: None,
) -> RowFacts:
    """Rows of all files, one file after another. `sample_below`: rows with a lower digest are sampled.

    With more than one worker, processes are spawned: only from a program whose main module may be imported again.
    """
    pieces = [piece for number, path in enumerate(paths) for piece in _pieces(number, path)]
    total, read, gathered = max(1, sum(piece.stop - piece.start for piece in pieces)), 0, []
    wish = _Wish(common, is_checked, sample_below)
    for piece, facts in zip(pieces, _each(pieces, wish, workers), strict=True):
        gathered.append(facts)
        read += piece.stop - piece.start
        on_progress(read / total)
    return _joined(gathered) if gathered else _gather_piece((_Piece(0, paths[0], 0, 0), wish))


def _each(pieces: Sequence[_Piece], wish: _Wish, workers: int) -> Iterator[RowFacts]:
    if workers < 2 or len(pieces) < 2:
        yield from map(_gather_piece, ((piece, wish) for piece in pieces))
        return
    with ProcessPoolExecutor(min(workers, len(pieces)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_gather_piece, [(piece, wish) for piece in pieces])


def _pieces(part: int, path: Path) -> Iterator[_Piece]:
    size = path.stat().st_size
    for start in range(0, size, _PIECE_BYTES):
        yield _Piece(part, path, start, min(size, start + _PIECE_BYTES))


def _gather_piece(work: tuple[_Piece, _Wish]) -> RowFacts:
    """The rows whose lines begin in the piece."""
    piece, wish = work
    rows = _Rows(wish)
    with piece.path.open("rb", buffering=1 << 20) as file:
        offset = max(0, piece.start - 1)
        file.seek(offset)
        offset += len(file.readline()) if piece.start else 0
        while offset < piece.stop:
            raw = file.readline()
            if not raw:
                break
            rows.add(offset, len(raw), messages_of(raw))
            offset += len(raw)
    return rows.facts(piece.part)


class _Rows:
    def __init__(self, wish: _Wish) -> None:
        self._wish = wish
        self._sketches = Sketches(wish.common)
        self._found: dict[str, Observed] = {}
        self._sampled: list[Sampled] = []
        self._columns = {"offsets": array("Q"), "sizes": array("I"), "conversations": array("Q"),
                         "questions": array("Q"), "answers": array("Q"), "answer_lengths": array("I"),
                         "flags": array("I")}  # fmt: skip

    def add(self, offset: int, size: int, messages: tuple[Message, ...]) -> None:
        cased = [message.content.casefold() for message in messages]
        folded = [fold(text) for text in cased]
        roles = [message.role for message in messages]
        conversation = digest(folded)
        row = len(self._columns["flags"])
        values = (
            offset,
            size,
            conversation,
            digest([text for role, text in zip(roles, folded, strict=True) if role != "assistant"]),
            digest(folded[-1:]),
            len(messages[-1].content),
            self._check(row, messages) if self._wish.is_checked else 0,
        )
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        self._sketches.add("\n".join(text for role, text in zip(roles, cased, strict=True) if role != "system"))
        if conversation < self._wish.sample_below:
            self._sampled.append((row, tuple(Message(one.role, one.content[:_HEAD]) for one in messages[-2:])))

    def facts(self, part: int) -> RowFacts:
        bands, sequences, is_long = self._sketches.finish()
        columns: dict[str, Any] = {name: np.array(values) for name, values in self._columns.items()}
        parts = np.full(len(is_long), part, np.uint8)
        return RowFacts(
            parts=parts,
            **columns,
            bands=bands,
            sequences=sequences,
            is_long=is_long,
            found=list(self._found.values()),
            sampled=self._sampled,
        )

    def _check(self, row: int, messages: tuple[Message, ...]) -> int:
        flags = 0
        for hit in find_in(messages):
            flags |= BITS[hit.code]
            observed = self._found.setdefault(hit.code, Observed(hit.code))
            observed.count += 1
            if len(observed.places) < MOST_PLACES:
                observed.places.append(Place(row, hit.excerpt, hit.what))
        return flags


def _joined(gathered: Sequence[RowFacts]) -> RowFacts:
    columns: dict[str, Any] = {
        one.name: np.concatenate([getattr(facts, one.name) for facts in gathered])
        for one in fields(RowFacts)
        if one.name not in {"found", "sampled"}
    }
    found: list[Observed] = []
    sampled: list[Sampled] = []
    first = 0
    for facts in gathered:
        for one in facts.found:
            places = [Place(first + place.row, place.excerpt, place.what) for place in one.places]
            found.append(Observed(one.code, one.count, places))
        sampled += [(first + row, messages) for row, messages in facts.sampled]
        first += len(facts.flags)
    return RowFacts(**columns, found=found, sampled=sampled)
