"""Which file and line each row of a saved part came from: a small Parquet file beside the part, or nothing known."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from backend.domain_datasets import Row

if TYPE_CHECKING:
    import numpy as np

UNKNOWN = -1


@dataclass
class Origins:
    """For each row its file, by its place in `names` (`UNKNOWN` where a person wrote the row), and its line from 1."""

    names: list[str] = field(default_factory=list)
    files: array[int] = field(default_factory=lambda: array("i"))
    lines: array[int] = field(default_factory=lambda: array("I"))
    _places: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    def add(self, name: str, line: int) -> None:
        self.files.append(self._place(name) if name else UNKNOWN)
        self.lines.append(line)

    @classmethod
    def of_sources(cls, names: Sequence[str], files: np.ndarray, lines: np.ndarray) -> Origins:
        """Of rows whose source's number and line are known."""
        import numpy as np

        origins = cls()
        places = np.array([origins._place(name) if name else UNKNOWN for name in names], dtype=np.intc)
        origins._extend(places[files], lines)
        return origins

    def take(self, other: Origins, numbers: np.ndarray) -> None:
        """Those of some rows of another part."""
        import numpy as np

        mine = np.array([*(self._place(name) for name in other.names), UNKNOWN], dtype=np.intc)
        places, lines = other._places_of(numbers)
        self._extend(mine[places], lines)

    def files_of(self, numbers: np.ndarray) -> list[str]:
        """The file of each row, as `of` has it."""
        names = [*self.names, ""]
        return [names[place] for place in self._places_of(numbers)[0].tolist()]

    def _places_of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        places = np.full(len(numbers), UNKNOWN, dtype=np.intc)
        lines = np.zeros(len(numbers), dtype=np.uintc)
        known = numbers < len(self)
        places[known] = np.frombuffer(self.files, dtype=np.intc)[numbers[known]]
        lines[known] = np.frombuffer(self.lines, dtype=np.uintc)[numbers[known]]
        return places, lines

    def _extend(self, places: np.ndarray, lines: np.ndarray) -> None:
        self.files.frombytes(places.astype("i").tobytes())
        self.lines.frombytes(lines.astype("I").tobytes())

    def _place(self, name: str) -> int:
        if name not in self._places:
            self._places[name] = len(self.names)
            self.names.append(name)
        return self._places[name]

    def of(self, number: int) -> tuple[str, int]:
        """File and line of a row; the empty string where nothing is known."""
        if number >= len(self.files) or self.files[number] == UNKNOWN:
            return "", 0
        return self.names[self.files[number]], self.lines[number]

    def rows_of(self, name: str) -> frozenset[int]:
        place = self._places.get(name)
        return frozenset(number for number, file in enumerate(self.files) if file == place)


def kept_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.origins.parquet")


def keep_origins(path: Path, origins: Origins) -> None:
    import polars

    names = [None if file == UNKNOWN else origins.names[file] for file in origins.files]
    frame = polars.DataFrame(
        {"file": polars.Series(names, dtype=polars.String), "line": polars.Series(origins.lines, dtype=polars.UInt32)}
    )
    frame.write_parquet(kept_beside(path))


def origins_of(path: Path) -> Origins:
    """Empty where nothing is known, as for the datasets of earlier releases."""
    try:
        changed = kept_beside(path).stat().st_mtime_ns
    except FileNotFoundError:
        return Origins()
    return _read(path, changed)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Origins:
    import polars

    origins = Origins()
    with suppress(OSError, polars.exceptions.PolarsError):
        frame = polars.read_parquet(kept_beside(path), columns=["file", "line"])
        for name, line in frame.iter_rows():
            origins.add(name or "", line or 0)
    return origins


def with_origins(path: Path, numbers: Sequence[int], rows: Sequence[Row]) -> list[Row]:
    """The rows with the file and line that they came from; those of an unknown origin stay as they are."""
    origins = origins_of(path)
    placed = []
    for number, row in zip(numbers, rows, strict=True):
        file, line = origins.of(number)
        placed.append(replace(row, file=file, line=line) if file else row)
    return placed
