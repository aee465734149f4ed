"""A dataset's folder on disk: split, written under a temporary name, then put in place in one step."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from backend.domain import DataReport, Dataset, Problem
from backend.domain_datasets import Row
from backend.errors import BadInput, NoRoom, NotFound
from backend.i18n import _, ngettext
from backend.studio.reading import Source, open_source, read, report
from backend.studio.split import split

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
                    digests.append(_digest(_encode(item)))
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
            how_to_fix=_("Correct them, or leave them out (skip bad rows)."),
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

    def write(train: _Part, held_out: _Part) -> None:
        row_count = 0
        for row in source.rows():
            if row_count == len(digests):
                raise _changed()
            (held_out if is_eval[row_count] else train).write(_encode(row))
            row_count += 1
        if row_count != len(digests):
            raise _changed()

    return _save(folder, name, origin, seed, {"eval_fraction": fraction, **detail}, write)


def save_pair(
    folder: Path, train_input: Input, eval_input: Input, name: str, origin: str, *, skip_bad: bool, **detail: Any
) -> Dataset:
    """The person's own held-out file is taken as it is; rows that are in both are only counted (`shared_rows`)."""
    trained = set(train_input.digests(skip_bad=skip_bad))
    shared = sum(digest in trained for digest in eval_input.digests(skip_bad=skip_bad))

    def write(train: _Part, held_out: _Part) -> None:
        for part, source in ((train, train_input), (held_out, eval_input)):
            for row in source.rows():
                part.write(_encode(row))

    return _save(folder, name, origin, 0, {"shared_rows": shared, **detail}, write)


class _Part:
    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.rows = 0

    def write(self, line: bytes) -> None:
        self.file.write(line)
        self.rows += 1

    def close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


def _save(
    folder: Path,
    name: str,
    origin: str,
    seed: int,
    detail: Mapping[str, Any],
    write: Callable[[_Part, _Part], None],
) -> Dataset:
    name = _clean_name(name)
    dataset_id = f"{slug(name)}-{secrets.token_hex(3)}"
    temporary, final = folder / f".new-{dataset_id}", folder / dataset_id
    with say_no_room():
        temporary.mkdir(parents=True)
        try:
            train, held_out = _Part(temporary / "train.jsonl"), _Part(temporary / "eval.jsonl")
            try:
                write(train, held_out)
            finally:
                train.close()
                held_out.close()
            dataset = Dataset(
                id=dataset_id,
                name=name,
                source=origin,
                train_path=str(final / "train.jsonl"),
                eval_path=str(final / "eval.jsonl"),
                train_rows=train.rows,
                eval_rows=held_out.rows,
                sha256=_sha256(temporary / "train.jsonl", temporary / "eval.jsonl"),
                created_at=datetime.now(UTC),
                seed=seed,
                source_detail=dict(detail),
            )
            write_atomically(temporary / "dataset.json", _DATASET.dump_json(dataset, indent=2))
            temporary.replace(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return dataset


def load(folder: Path, dataset_id: str) -> Dataset:
    """Paths are taken from where the folder is now, so that PHIDESK_HOME may be moved. Raises NotFound."""
    place = folder / dataset_id
    try:
        if not _ID.fullmatch(dataset_id):
            raise FileNotFoundError(dataset_id)
        dataset = _DATASET.validate_json((place / "dataset.json").read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise NotFound(
            _("There is no dataset {id}.").format(id=dataset_id),
            how_to_fix=_("Choose one from the list of datasets, or add it again."),
            code="no_such_dataset",
            raw=str(error),
        ) from error
    return replace(dataset, train_path=str(place / "train.jsonl"), eval_path=str(place / "eval.jsonl"))


def remove(folder: Path, dataset_id: str) -> None:
    """Out of the list in one step, then from the disk."""
    if not _ID.fullmatch(dataset_id):
        return
    gone = folder / f".gone-{dataset_id}-{secrets.token_hex(3)}"
    with suppress(FileNotFoundError):
        (folder / dataset_id).replace(gone)
        shutil.rmtree(gone)


def write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def say_no_room() -> Iterator[None]:
    """A full disk or a folder without permission becomes words."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoRoom(
                _("The disk is full."),
                how_to_fix=_("Free some space, or set PHIDESK_HOME to a folder on a larger disk."),
                code="disk_full",
                raw=str(error),
            ) from error
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise NoRoom(
                _("{path} can't be written.").format(path=error.filename),
                why=error.strerror or "",
                how_to_fix=_("Set PHIDESK_HOME to a folder that you may write to."),
                code="not_writable",
                raw=str(error),
            ) from error
        raise


def slug(text: str, longest: int = 32) -> str:
    """Letters a to z, digits and single hyphens, never empty: fit for a folder's or an endpoint's name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-") or "data"


def _clean_name(name: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(shown.split())[:80] or _("Dataset")


def _encode(row: Row) -> bytes:
    """Only role and content are kept: columns of mixed types would stop the trainer's reader."""
    return orjson.dumps(
        {"messages": [{"role": message.role, "content": message.content} for message in row.messages]},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _sha256(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _changed() -> BadInput:
    return BadInput(
        _("The file changed while it was read."),
        how_to_fix=_("Wait until it is completely written, then try again."),
        code="file_changed",
    )
