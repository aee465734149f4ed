"""Which file and line each row of a saved part came from: a small Parquet file beside the part, or nothing known."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from backend.domain_datasets import Row

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
        if name and name not in self._places:
            self._places[name] = len(self.names)
            self.names.append(name)
        self.files.append(self._places[name] if name else UNKNOWN)
        self.lines.append(line)

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
