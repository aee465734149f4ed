"""A dataset's folder on disk: split, written under a temporary name, then put in place in one step."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from backend.domain import DataReport, Dataset, Problem
from backend.domain_datasets import Row
from backend.errors import BadInput
from backend.i18n import _, ngettext
from backend.studio.atomic_files import say_no_room, write_atomically
from backend.studio.file_lock import is_locked, locked
from backend.studio.part_writer import ContentHash, PartWriter, part_file
from backend.studio.reading import Source, open_source, read, report
from backend.studio.row_index import line_of
from backend.studio.split import split
from backend.studio.version_folders import as_of, current_version, no_such_dataset, read_saved

_DATASET = TypeAdapter(Dataset)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")


@dataclass(frozen=True)
class Input:
    """A file to read: where it is, what it was called (shown only, never used as a path), how large it may be."""

    source: Source
    filename: str = ""
    limit_mb: int | None = None

    def items(self) -> Iterator[Row | Problem]:
        with open_source(self.source, limit_mb=self.limit_mb) as file:
            yield from read(file, self.filename)

    def report(self) -> DataReport:
        return report(self.items())

    def rows(self) -> Iterator[Row]:
        return (item for item in self.items() if isinstance(item, Row))

    def digests(self, *, skip_bad: bool) -> list[bytes]:
        """One per usable row, equal for equal conversations. Raises BadInput as `require_usable` does."""
        digests: list[bytes] = []

        def keep(items: Iterator[Row | Problem]) -> Iterator[Row | Problem]:
            for item in items:
                if isinstance(item, Row):
                    digests.append(_digest(line_of(item.messages)))
                yield item

        require_usable(report(keep(self.items())), self.filename, skip_bad=skip_bad)
        return digests


def require_usable(found: DataReport, filename: str = "", *, skip_bad: bool) -> None:
    """Raises BadInput that names the file, the first lines and their problems."""
    named = f"{_clean_name(filename)}: " if filename else ""
    whole = [problem for problem in found.problems if problem.line == 0]
    if whole:
        raise BadInput(named + whole[0].message, how_to_fix=whole[0].fix, code=whole[0].code)
    if found.problem_count and not skip_bad:
        first = "\n".join(
            _("Line {line}: {message}").format(line=problem.line, message=problem.message)
            for problem in found.problems[:5]
        )
        raise BadInput(
            named
            + ngettext("{count} row can't be used.", "{count} rows can't be used.", found.problem_count).format(
                count=found.problem_count
            ),
            why=first,
            how_to_fix=_("Correct them, or leave them out (on the command line: --skip-bad)."),
            code="bad_rows",
        )
    if not found.good_rows:
        reason = ""
        if found.problems:
            first_problem = found.problems[0]
            reason = _("Line {line}: {message}").format(line=first_problem.line, message=first_problem.message)
        raise BadInput(
            named + _("No row of this file can be used."),
            why=reason,
            how_to_fix=_("Each line needs a question and the assistant's answer."),
            code="no_usable_rows",
        )


def save_split(
    folder: Path, source: Input, name: str, origin: str, *, fraction: float, seed: int, skip_bad: bool, **detail: Any
) -> Dataset:
    """Raises BadInput for unusable rows, NoRoom for a full disk; then nothing is left behind."""
    digests = source.digests(skip_bad=skip_bad)
    is_eval = split(digests, fraction, seed)

    def write(train: PartWriter, held_out: PartWriter) -> None:
        row_count = 0
        for row in source.rows():
            if row_count == len(digests):
                raise _changed()
            (held_out if is_eval[row_count] else train).write(line_of(row.messages))
            row_count += 1
        if row_count != len(digests):
            raise _changed()

    return save(folder, name, origin, seed, {"eval_fraction": fraction, **detail}, write)


def save_pair(
    folder: Path, train_input: Input, eval_input: Input, name: str, origin: str, *, skip_bad: bool, **detail: Any
) -> Dataset:
    """The person's own held-out file is taken as it is; rows that are in both are only counted (`shared_rows`)."""
    trained = set(train_input.digests(skip_bad=skip_bad))
    shared = sum(digest in trained for digest in eval_input.digests(skip_bad=skip_bad))

    def write(train: PartWriter, held_out: PartWriter) -> None:
        for part, source in ((train, train_input), (held_out, eval_input)):
            for row in source.rows():
                part.write(line_of(row.messages))

    return save(folder, name, origin, 0, {"shared_rows": shared, **detail}, write)


def save(
    folder: Path,
    name: str,
    origin: str,
    seed: int,
    detail: Mapping[str, Any],
    write: Callable[[PartWriter, PartWriter], None],
) -> Dataset:
    """Make a dataset of what `write` puts into train and eval: all of it, or nothing.

    Writing train first and then eval is fastest. Raises what `write` does, and NoRoom for a full disk.
    """
    name = _clean_name(name)
    dataset_id = f"{slug(name)}-{secrets.token_hex(3)}"
    temporary, final = folder / f".new-{dataset_id}", folder / dataset_id
    lock = _lock_of(temporary)
    with say_no_room():
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        try:
            with locked(lock), ContentHash() as content_hash:
                temporary.mkdir()
                train = PartWriter(part_file(temporary, "train"), content_hash)
                held_out = PartWriter(part_file(temporary, "eval"))
                try:
                    write(train, held_out)
                    train.close()
                    held_out.close()
                finally:
                    train.abandon()
                    held_out.abandon()
                content_hash.add_file(held_out.path)
                dataset = Dataset(
                    id=dataset_id,
                    name=name,
                    source=origin,
                    train_path=str(part_file(final, "train")),
                    eval_path=str(part_file(final, "eval")),
                    train_rows=train.rows,
                    eval_rows=held_out.rows,
                    sha256=content_hash.hexdigest(),
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
    for left in (*folder.glob(".applied-*"), *folder.glob(".new-*.lock")):  # nothing says whether they are in use
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


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _changed() -> BadInput:
    return BadInput(
        _("The file changed while it was read."),
        how_to_fix=_("Wait until it is completely written, then try again."),
        code="file_changed",
    )
