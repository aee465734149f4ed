"""A part made of another one by some changes: what stays is copied by the system, in ranges, and not looked into.

The index and the origins of the new part come from those of the old one, so that only rows written anew are read.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backend.studio.byte_ranges import OnBytes, copy_range, write_all
from backend.studio.part_writer import keep_facts
from backend.studio.row_index import DIGEST_BYTES, RowIndex, digest_of, facts_of, index_of
from backend.studio.row_origins import Origins, origins_of

if TYPE_CHECKING:
    import numpy as np

Plan = Iterable[tuple[int | None, bytes | None]]
"""What a part becomes, row by row: (5, None) keeps row 5, (5, line) replaces it, (None, line) is a new row.

A row that is not named is left out.
"""


def plan_of(count: int, gone: AbstractSet[int], changed: Mapping[int, bytes]) -> Plan:
    """For a part of so many rows: those that are gone by their numbers, and the new lines of those that changed."""
    return ((number, changed.get(number)) for number in range(count) if number not in gone)


@dataclass(frozen=True)
class Changed:
    """The part as it is now, and how many rows became of those before what."""

    index: RowIndex
    added: int = 0
    removed: int = 0
    edited: int = 0


@dataclass
class _Rows:
    """Of the new part: the old row that each one was (-1 for a new one), and the facts of those written anew."""

    sources: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    facts: array[int] = field(default_factory=lambda: array("H"))
    digests: bytearray = field(default_factory=bytearray)

    def write(self, source: int | None, line: bytes) -> None:
        self.places.append(len(self.sources))
        self.sources.append(-1 if source is None else source)
        self.sizes.append(len(line))
        self.facts.append(facts_of(line))
        self.digests += digest_of(line)

    def index(self, path: Path, old: RowIndex) -> RowIndex:
        """Its arrays are made at once, however many rows there are."""
        import numpy as np

        sources, places = np.asarray(self.sources), np.asarray(self.places)
        kind = np.dtype(f"V{DIGEST_BYTES}")
        sizes, facts = np.diff(np.asarray(old.starts))[sources], np.asarray(old.facts)[sources]
        digests = np.frombuffer(old.digests, kind)[sources]
        if len(places):
            sizes[places], facts[places] = self.sizes, self.facts
            digests[places] = np.frombuffer(self.digests, kind)
        starts = np.zeros(len(sizes) + 1, np.uint64)
        np.cumsum(sizes, out=starts[1:])
        return RowIndex(path, _as_array("Q", starts), _as_array("H", facts), digests.tobytes())

    def origins(self, old: Origins) -> Origins:
        import numpy as np

        sources = np.asarray(self.sources)
        made = Origins()
        made.take(old, np.where(sources < 0, len(old), sources))
        return made


def write_changed(before: Path, after: Path, plan: Plan, on_bytes: OnBytes) -> Changed:
    """`after` must not exist yet; once this returns it is on the disk for good. Raises OSError, as for a full disk."""
    old = index_of(before)
    rows = _Rows()
    added = edited = 0
    with before.open("rb", buffering=0) as source, after.open("xb", buffering=0) as target:

        def copy(first: int, last: int) -> None:
            rows.sources.extend(range(first, last))
            copy_range(source, target, old.starts[first], old.starts[last], on_bytes)

        first = last = 0  # the rows that stay and are not copied yet
        for number, line in plan:
            if number is not None and line is None and number == last and last > first:
                last += 1
                continue
            copy(first, last)
            first = last = 0
            if line is None:
                first, last = number or 0, (number or 0) + 1
                continue
            rows.write(number, line)
            write_all(target, line)
            on_bytes(len(line))
            added += number is None
            edited += number is not None
        copy(first, last)
        os.fsync(target.fileno())
    index, origins = rows.index(after, old), rows.origins(origins_of(before))
    keep_facts(index, origins)
    return Changed(index, added, len(old) - (len(index) - added), edited)


def _as_array(kind: str, values: np.ndarray) -> array[int]:
    made = array(kind)
    made.frombytes(values.tobytes())
    return made
