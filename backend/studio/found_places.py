"""Where the rows of a finding stand, in the files that a person knows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.domain_datasets import FoundRow
from backend.i18n import _
from backend.studio.content_words import describe_pair
from backend.studio.finding_codes import LANGUAGES
from backend.studio.languages import name_of

if TYPE_CHECKING:
    import numpy as np

    from backend.studio.set_checks import Place


@dataclass(frozen=True)
class Part:
    """A canonical JSONL file: `name` is rows, train or eval.

    `places` is a Parquet file with the columns `file` (a number in `files`) and `line` of each row; without it a
    row stands where it stands in `path`.
    """

    name: str
    path: Path
    files: tuple[str, ...] = ()
    places: Path | None = None


class Places:
    """Where rows stand, in the files that a person knows. The index of a part is read when it is first asked."""

    def __init__(self, parts: Sequence[Part], firsts: Sequence[int]) -> None:
        self._parts = parts
        self._firsts = firsts
        self._indexes: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def row(self, code: str, place: Place) -> FoundRow:
        part, number = self._part(place.row)
        file, line = self._file_and_line(part, number)
        detail = name_of(place.what) if code == LANGUAGES else place.what
        if place.other >= 0:
            detail = describe_pair(code, self._named(place.row), self._named(place.other))
        return FoundRow(file, line, detail, place.excerpt, self._parts[part].name, number)

    def _named(self, row: int) -> str:
        part, number = self._part(row)
        file, line = self._file_and_line(part, number)
        name = self._parts[part].name
        if name in {"train", "eval"} and len(self._parts) > 1 and not self._parts[part].files:
            return _("line {line} of {part}").format(line=line, part=name)
        return _("line {line} of {part}").format(line=line, part=file)

    def _part(self, row: int) -> tuple[int, int]:
        part = bisect_right(self._firsts, row) - 1
        return part, row - self._firsts[part]

    def _file_and_line(self, part: int, number: int) -> tuple[str, int]:
        known = self._parts[part]
        if known.places is None:
            return (known.files[0] if known.files else known.path.name), number + 1
        if part not in self._indexes:
            import polars

            index = polars.read_parquet(known.places, columns=["file", "line"])
            self._indexes[part] = (index["file"].to_numpy(), index["line"].to_numpy())
        files, lines = self._indexes[part]
        return known.files[int(files[number])], int(lines[number])
