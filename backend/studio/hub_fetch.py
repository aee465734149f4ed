"""The process of an import (`python -m backend.studio.hub_fetch FOLDER`): gets the rows, saves or hands them over."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from backend.domain import Dataset
from backend.domain_datasets import Decision, FormatKind, RecordFormat
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _
from backend.studio import hub_rows
from backend.studio.background_process import tell, tell_failure
from backend.studio.conversion import canonical_line, converter
from backend.studio.dataset_folder import Input, save_split
from backend.studio.formats import recognise
from backend.studio.hub_import import RECORDS
from backend.studio.hub_request import HubRequest
from backend.studio.repairs import repair

_REQUEST = TypeAdapter(HubRequest)
TELL_SECONDS = 0.5


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
        (place / "rows.jsonl").unlink(missing_ok=True)
        if not is_kept:
            records.unlink(missing_ok=True)


def save(
    folder: Path, request: HubRequest, records: Path, place: Path, detail: Mapping[str, Any], tell_phase: Progress
) -> Dataset:
    """A dataset of the records that become conversations. Raises BadInput where a format or a decision is missing."""
    form = request.mapping or _recognised(request, records)
    usable, left_out = place / "rows.jsonl", 0
    convert, first_flaw = converter(form), ""
    with records.open("rb") as lines, usable.open("wb") as file:
        for number, line in enumerate(lines, start=1):
            record = orjson.loads(line)
            made = convert(record)
            if made.flaw and request.decisions.get(made.flaw.code) == Decision.FIX:
                made = repair(made.flaw.code, record, form)
            if made.messages is not None:
                file.write(canonical_line(made.messages) + b"\n")
            elif made.flaw:
                if not request.skip_bad and request.decisions.get(made.flaw.code) != Decision.SKIP:
                    raise _bad_rows(request, number, made.flaw.message)
                left_out += 1
                first_flaw = first_flaw or made.flaw.message
            tell_phase("checking", done=file.tell() / max(1, records.stat().st_size), rows=number)
    if not usable.stat().st_size:
        raise BadInput(
            _("No row of {id} can be used.").format(id=request.hub_id),
            why=first_flaw,
            how_to_fix=_("Choose a chat dataset, such as HuggingFaceH4/ultrachat_200k."),
            code="no_usable_rows",
        )
    tell_phase("saving", rows=detail["rows_read"])
    return save_split(
        folder,
        Input(usable),
        request.title,
        "hub",
        fraction=request.eval_fraction,
        seed=request.seed,
        skip_bad=True,
        **detail,
        rows_left_out=left_out,
    )


def _recognised(request: HubRequest, records: Path) -> RecordFormat:
    with records.open("rb") as lines:
        form = recognise([orjson.loads(line) for line in islice(lines, 200)])
    if form.kind == FormatKind.UNKNOWN or not form.is_sure:
        raise BadInput(
            _("It is not clear which columns of {id} hold question and answer (its columns: {columns}).").format(
                id=request.hub_id, columns=", ".join(form.columns)
            ),
            how_to_fix=_("Say which: --map question=... --map answer=... on the command line, or on the page."),
            code="format_not_sure",
        )
    return form


def _bad_rows(request: HubRequest, number: int, message: str) -> BadInput:
    return BadInput(
        _("Row {number} of {id} can't be used.").format(number=number, id=request.hub_id),
        why=message,
        how_to_fix=_("Let such rows be fixed or left out."),
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
