"""Writes the files of the corpus into a folder, apart from the process that reads them and is measured.

`python -m tests.corpus.making <folder>`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.corpus import all_cases

LIST = "list.json"


@dataclass(frozen=True)
class Made:
    """A file that lies at `path` and is called `file_name`. `is_path`: it is added by its path, and not uploaded."""

    name: str
    path: Path
    file_name: str
    is_path: bool


def make_all(folder: Path) -> None:
    """Files that cases write themselves are large, or folders: they are read where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, case in enumerate(all_cases()):
        place = folder / f"{number:04}"
        place.mkdir()
        path = place / (case.file_name if callable(case.content) and case.file_name else "source")
        if isinstance(case.content, bytes):
            path.write_bytes(case.content)
        else:
            case.content(path)
        made.append([case.name, f"{place.name}/{path.name}", case.file_name, callable(case.content)])
    (folder / LIST).write_text(json.dumps(made), encoding="utf-8")


def made_in(folder: Path) -> Iterator[Made]:
    for name, path, file_name, is_path in json.loads((folder / LIST).read_text(encoding="utf-8")):
        yield Made(name, folder / path, file_name, is_path)


if __name__ == "__main__":
    make_all(Path(sys.argv[1]))
