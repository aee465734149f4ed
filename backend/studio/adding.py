"""A file becomes a dataset in one go, without a draft to look at: for scripts, samples and tests of other things."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.domain import Dataset
from backend.domain_datasets import ReadReport, SplitChoice
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.studio import saving
from backend.studio.atomic_files import say_no_room
from backend.studio.copy_making import make_working_copy
from backend.studio.draft_checks import require_decided
from backend.studio.records import SourceFile
from backend.studio.saving import RowSet

Source = Path | tuple[str, bytes]
"""A file of this computer, or a name and its content."""


def add_file(
    folder: Path,
    source: Source,
    name: str,
    choice: SplitChoice,
    *,
    origin: str = "file",
    held_out: Source | None = None,
    skip_bad: bool = False,
    detail: Mapping[str, Any] | None = None,
) -> Dataset:
    """Rows that can't be used are refused (BadInput names the first), with `skip_bad` left out.

    Raises NotFound for a file that isn't there, BadInput for unclear columns and for too few rows; then nothing is
    left behind.
    """
    with _read(folder, source, skip_bad=skip_bad) as rows:
        if held_out is None:
            return saving.save_split(folder, [rows], name, origin, choice, detail=detail)
        with _read(folder, held_out, skip_bad=skip_bad) as held_out_rows:
            return saving.save_pair(folder, [rows], held_out_rows, name, origin, detail=detail)


@contextmanager
def _read(folder: Path, source: Source, *, skip_bad: bool) -> Iterator[RowSet]:
    """The usable rows, in a working copy that is gone afterwards."""
    with say_no_room():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=folder) as place:
            file = _on_disk(source, Path(place))
            copy = make_working_copy([file], Path(place), workers=0)
            report = copy.report()
            _require_records(file.name, report)
            _require_clear(file.name, report)
            if not skip_bad:
                require_decided(report)
            if not report.good_rows:
                first = next((row for finding in report.findings for row in finding.rows), None)
                raise BadInput(
                    _("{name}: No row of this file can be used.").format(name=file.name),
                    why=_("Line {line}: {message}").format(line=first.line, message=first.detail) if first else "",
                    how_to_fix=_("Each line needs a question and the assistant's answer."),
                    code="no_usable_rows",
                )
            yield RowSet(file.name, copy.path, copy.origins())


def _require_records(name: str, report: ReadReport) -> None:
    """Raises BadInput for what concerns the file as a whole, such as one of another kind: that is nothing to skip."""
    for finding in report.findings:
        if not report.good_rows and finding.rows and finding.rows[0].line == 0:
            raise BadInput(f"{name}: {finding.rows[0].detail}", how_to_fix=finding.advice, code=finding.code)


def _require_clear(name: str, report: ReadReport) -> None:
    """Raises BadInput where somebody has to say what the columns mean: a guess is never saved."""
    if report.format.columns and not report.format.is_sure:
        raise BadInput(
            _("It isn't clear which columns of {file} hold question and answer.").format(file=name),
            why=_("The columns are: {columns}").format(columns=", ".join(report.format.columns[:20])),
            how_to_fix=_("Say it on the Dataset page, or with --map of `phidesk data add`."),
            code="format_not_sure",
        )


def _on_disk(source: Source, place: Path) -> SourceFile:
    if isinstance(source, Path):
        if not source.exists():
            raise NotFound(
                _("There is no file {path}.").format(path=source),
                how_to_fix=_("Check the name and the folder."),
                code="no_such_file",
            )
        return SourceFile(source, source.name)
    name, content = source
    path = place / "given"
    path.write_bytes(content)
    return SourceFile(path, name)
