"""The process of an import (`python -m backend.studio.hub_fetch FOLDER`): gets the rows, saves or hands them over."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from backend.domain import Dataset
from backend.domain_datasets import ReadReport, Severity, SplitChoice
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _, ngettext
from backend.studio import hub_rows
from backend.studio.background_process import tell, tell_failure
from backend.studio.copy_making import make_working_copy
from backend.studio.hub_import import RECORDS
from backend.studio.hub_request import HubRequest
from backend.studio.records import SourceFile
from backend.studio.saving import RowSet, save_split

_REQUEST = TypeAdapter(HubRequest)
TELL_SECONDS = 0.5
SMALL_BYTES = 8 * 1024 * 1024
"""Up to here one process reads the rows."""


def fetch(place: Path) -> None:
    asked = orjson.loads((place / "request.json").read_bytes())
    request, is_kept = _REQUEST.validate_python(asked["request"]), False
    records = place / RECORDS
    progress = Progress(place)
    try:
        pinned = hub_rows.pin(request)
        rows = hub_rows.write_records(request, pinned, records, place / "arrow", progress)
        detail = source_detail(request, pinned, rows)
        if asked["as_draft"]:
            is_kept = True
            tell(place, "done", done=1.0, rows=rows, bytes=records.stat().st_size, source_detail=detail)
        else:
            progress("checking", rows=rows, bytes=records.stat().st_size)
            dataset = save(Path(asked["folder"]), request, records, place, detail, progress)
            tell(place, "done", done=1.0, rows=rows, dataset_id=dataset.id)
    except PhiDeskError as error:
        is_kept = False
        tell_failure(place, error)
        raise SystemExit(1) from error
    finally:
        shutil.rmtree(place / "arrow", ignore_errors=True)
        shutil.rmtree(place / "copy", ignore_errors=True)
        if not is_kept:
            records.unlink(missing_ok=True)


def save(
    folder: Path, request: HubRequest, records: Path, place: Path, detail: Mapping[str, Any], tell_phase: Progress
) -> Dataset:
    """A dataset of the records that become conversations. Raises BadInput where a format or a decision is missing."""
    size = records.stat().st_size
    copy = make_working_copy(
        [SourceFile(records, request.hub_id)],
        place / "copy",
        mappings=request.mappings,
        decisions=request.decisions,
        on_progress=lambda done, rows: tell_phase("checking", done=done, rows=rows, bytes=size),
        workers=0 if size < SMALL_BYTES else None,
    )
    report = copy.report()
    _require_usable(request, report)
    tell_phase("saving", rows=report.rows)
    return save_split(
        folder,
        [RowSet(request.title, copy.path, copy.origins())],
        request.title,
        "hub",
        SplitChoice(request.eval_fraction, seed=request.seed),
        detail={**detail, "rows_left_out": report.rows - report.good_rows},
    )


def _require_usable(request: HubRequest, report: ReadReport) -> None:
    if not report.format.is_sure:
        raise BadInput(
            _("It is not clear which columns of {id} hold question and answer (its columns: {columns}).").format(
                id=request.hub_id, columns=", ".join(report.format.columns)
            ),
            how_to_fix=_("Say which: --map question=... --map answer=... on the command line, or on the page."),
            code="format_not_sure",
        )
    open_ones = [one for one in report.findings if one.severity == Severity.REFUSED and one.decision is None]
    if open_ones and (not request.skip_bad or not report.good_rows):
        first = open_ones[0].rows[0] if open_ones[0].rows else None
        raise BadInput(
            ngettext(
                "{count} row of {id} can't be used.", "{count} rows of {id} can't be used.", report.bad_rows
            ).format(count=report.bad_rows, id=request.hub_id),
            why=_("Row {line}: {detail}").format(line=first.line, detail=first.detail) if first else open_ones[0].title,
            how_to_fix=_("Let such rows be fixed or left out, or choose a chat dataset."),
            code="bad_rows",
        )


class Progress:
    """Tells how far it is, at most twice a second within one phase."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._phase = ""
        self._told = 0.0

    def __call__(self, phase: str, **facts: Any) -> None:
        now = time.monotonic()
        if phase != self._phase or now - self._told > TELL_SECONDS:
            self._phase, self._told = phase, now
            tell(self.place, phase, **facts)


def source_detail(request: HubRequest, pinned: hub_rows.Pinned, rows: int) -> Mapping[str, Any]:
    """What is needed to get the very same rows again."""
    return {
        "hub_id": request.hub_id,
        "config": request.config,
        "split": request.split,
        "revision": pinned.commit,
        "licence": pinned.licence,
        "rows_read": rows,
    }


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
