"""Where the versions of a dataset lie: the first in the dataset's own folder, later ones in `v2`, `v3`, ...

The current version is the last one that is there. A version's folder appears in one step, complete, so that there is
nothing else to keep in mind: reading what is there is the truth, and datasets of earlier releases have one version.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from backend.domain import Dataset
from backend.domain_datasets import Version
from backend.errors import NotFound
from backend.i18n import _
from backend.studio.part_writer import PARTS, part_file

_DATASET = TypeAdapter(Dataset)
_VERSION = TypeAdapter(Version)
_NAME = re.compile(r"v([1-9][0-9]{0,8})")


def read_saved(place: Path) -> Dataset:
    """The dataset as it was added. Raises NotFound."""
    try:
        return _DATASET.validate_json((place / "dataset.json").read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise no_such_dataset(place.name, str(error)) from error


def no_such_dataset(dataset_id: str, raw: str = "") -> NotFound:
    return NotFound(
        _("There is no dataset {id}.").format(id=dataset_id),
        how_to_fix=_("Choose one from the list of datasets, or add it again."),
        code="no_such_dataset",
        raw=raw,
    )


def version_folder(place: Path, number: int) -> Path:
    return place if number == 1 else place / f"v{number}"


def numbers(place: Path) -> list[int]:
    """Those that are there, rising; the first one, too, may have been forgotten."""
    found = (_NAME.fullmatch(entry.name) for entry in place.iterdir())
    first = [1] if part_file(place, "train").exists() else []
    return [*first, *sorted(int(match.group(1)) for match in found if match)]


def current_version(place: Path, saved: Dataset) -> Version:
    """`saved` is what dataset.json says. Raises NotFound where none is there."""
    found = numbers(place)
    if not found:
        raise no_such_dataset(place.name, "It has no files.")
    return read_version(place, found[-1], saved)


def files_of(place: Path, number: int) -> list[Path]:
    """The parts of a version, train first, and what is kept beside each; those that are there."""
    folder = version_folder(place, number)
    parts = [part_file(folder, part) for part in PARTS]
    beside = [file for part in parts for file in folder.glob(f".{part.name}.*")]
    return [file for file in (*parts, *beside) if file.is_file()]


def read_version(place: Path, number: int, saved: Dataset) -> Version:
    """Raises NotFound for one that is not there, or is damaged."""
    if number == 1 and part_file(place, "train").exists():
        return Version(
            number=1,
            created_at=saved.created_at,
            summary=_("As it was added."),
            train_rows=saved.train_rows,
            eval_rows=saved.eval_rows,
            sha256=saved.sha256,
        )
    try:  # the first one has no such file, and is forgotten where its parts are gone
        return _VERSION.validate_json((version_folder(place, number) / "version.json").read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise NotFound(
            _("The dataset has no version {number}, or it was forgotten.").format(number=number),
            how_to_fix=_("See the list of its versions."),
            code="no_such_version",
            raw=str(error),
        ) from error


def encode(version: Version) -> bytes:
    return _VERSION.dump_json(version, indent=2)


def as_of(saved: Dataset, version: Version, place: Path) -> Dataset:
    folder = version_folder(place, version.number)
    return replace(
        saved,
        train_path=str(part_file(folder, "train")),
        eval_path=str(part_file(folder, "eval")),
        train_rows=version.train_rows,
        eval_rows=version.eval_rows,
        sha256=version.sha256,
        version=version.number,
    )
