"""A dataset's folder on disk: written under a temporary name, then put in place in one step."""

from __future__ import annotations

import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from backend.domain import Dataset
from backend.i18n import _
from backend.studio.atomic_files import say_no_room, write_atomically
from backend.studio.file_lock import is_locked, locked
from backend.studio.part_writer import PartWriter, part_file
from backend.studio.row_index import content_hash
from backend.studio.version_folders import as_of, current_version, no_such_dataset, read_saved

_DATASET = TypeAdapter(Dataset)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")


def save(
    folder: Path,
    name: str,
    origin: str,
    seed: int,
    detail: Mapping[str, Any],
    write: Callable[[PartWriter, PartWriter], None],
) -> Dataset:
    """Make a dataset of what `write` puts into train and eval: all of it, or nothing.

    Raises what `write` does, and NoRoom for a full disk.
    """
    name = _clean_name(name)
    dataset_id = f"{slug(name)}-{secrets.token_hex(3)}"
    temporary, final = folder / f".new-{dataset_id}", folder / dataset_id
    lock = _lock_of(temporary)
    with say_no_room():
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        try:
            with locked(lock):
                temporary.mkdir()
                train = PartWriter(part_file(temporary, "train"))
                held_out = PartWriter(part_file(temporary, "eval"))
                try:
                    write(train, held_out)
                    train.close()
                    held_out.close()
                finally:
                    train.abandon()
                    held_out.abandon()
                dataset = Dataset(
                    id=dataset_id,
                    name=name,
                    source=origin,
                    train_path=str(part_file(final, "train")),
                    eval_path=str(part_file(final, "eval")),
                    train_rows=train.rows,
                    eval_rows=held_out.rows,
                    sha256=content_hash((train.index, held_out.index)),
                    created_at=datetime.now(UTC),
                    seed=seed,
                    source_detail=dict(detail),
                )
                write_atomically(temporary / "dataset.json", _DATASET.dump_json(dataset, indent=2))
                temporary.replace(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            lock.unlink(missing_ok=True)
    return dataset


def _lock_of(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.lock")


def _sweep(folder: Path) -> None:
    """What killed processes left behind; a folder that is being written now is locked."""
    for left in folder.glob(".new-*"):
        if left.is_dir() and not is_locked(_lock_of(left)):
            shutil.rmtree(left, ignore_errors=True)
            _lock_of(left).unlink(missing_ok=True)
    for left in folder.glob(".gone-*"):
        shutil.rmtree(left, ignore_errors=True)
    yesterday = time.time() - 24 * 60 * 60
    for left in chain(
        *(folder.glob(name) for name in (".applied-*", ".adding-*", ".new-*.lock"))
    ):  # nothing says whether they are in use
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < yesterday:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def load(folder: Path, dataset_id: str) -> Dataset:
    """As of its current version. Paths are taken from where the folder is now, so that PHIDESK_HOME may be moved.

    Raises NotFound.
    """
    if not _ID.fullmatch(dataset_id):
        raise no_such_dataset(dataset_id)
    place = folder / dataset_id
    dataset = read_saved(place)
    return as_of(dataset, current_version(place, dataset), place)


def is_there(folder: Path, dataset_id: str) -> bool:
    """Also of a dataset that can't be read any more."""
    return _ID.fullmatch(dataset_id) is not None and (folder / dataset_id).is_dir()


def remove(folder: Path, dataset_id: str) -> None:
    """Out of the list in one step, then from the disk."""
    if not _ID.fullmatch(dataset_id):
        return
    gone = folder / f".gone-{dataset_id}-{secrets.token_hex(3)}"
    with suppress(FileNotFoundError):
        (folder / dataset_id).replace(gone)
        shutil.rmtree(gone)


def slug(text: str, longest: int = 32) -> str:
    """Letters a to z, digits and single hyphens, never empty: fit for a folder's or an endpoint's name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-") or "data"


def _clean_name(name: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(shown.split())[:80] or _("Dataset")
