"""Asking for a dataset of the Hub and watching it come; `hub_fetch` is the process that gets it, and outlives the app.

`request.json` beside what `background_process` keeps is all that the two sides share. The Hub's token travels in the
environment only.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from backend.domain import Failure
from backend.errors import BadInput, NotFound, PhiDeskError, Unavailable
from backend.i18n import _
from backend.studio import background_process
from backend.studio.file_lock import locked
from backend.studio.hub_request import HubRequest

if TYPE_CHECKING:
    from backend.studio.drafts import Drafts

RECORDS = "records.jsonl"
"""In an import's folder: the rows as the Hub has them, one JSON object a line."""
KEEP_SECONDS = 7 * 24 * 3600
"""How long the folder of an import that is over stays, for its log."""

ENVIRONMENT = {
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "USE_TORCH": "0",  # else `datasets` loads torch before it streams a row
}

_IMPORT_ID = re.compile(r"[a-f0-9]{12}")
_KINDS: Mapping[str, type[PhiDeskError]] = {
    "hub_unreachable": Unavailable,
    "hub_slow": Unavailable,
    "hub_busy": Unavailable,
    "no_such_hub_dataset": NotFound,
    "no_such_revision": NotFound,
}


@dataclass(frozen=True)
class HubImport:
    """`phase` is waiting, downloading, checking, saving, done or failed; `done` is 0..1 where known.

    `rows` and `bytes` are what has come so far. When it is done there is a `dataset_id`, or `records` (a file of the
    rows as the Hub has them) with the `source_detail` that makes a run reproducible; once `hand_over` took them, a
    `draft_id`.
    """

    id: str
    hub_id: str
    phase: str
    done: float | None = None
    rows: int = 0
    dataset_id: str = ""
    failure: Failure | None = None
    bytes: int = 0
    title: str = ""
    records: Path | None = None
    source_detail: Mapping[str, Any] = field(default_factory=dict)
    draft_id: str = ""

    @property
    def is_final(self) -> bool:
        return self.phase in {"done", "failed"}


def start_import(folder: Path, request: HubRequest, token: str | None, *, as_draft: bool = False) -> HubImport:
    """Returns at once. `as_draft` ends with the records; otherwise they become a dataset in `folder`.

    Raises BadInput for words that can't be meant; that there is such a dataset is `HubSearch.about`'s to say.
    """
    place = prepare_import(folder, request, as_draft=as_draft)
    environment = {**ENVIRONMENT, "HF_TOKEN": token} if token else ENVIRONMENT
    background_process.start("backend.studio.hub_fetch", place, environment=environment)
    return HubImport(id=place.name, hub_id=request.hub_id.strip(), phase="waiting", title=request.title)


def prepare_import(folder: Path, request: HubRequest, *, as_draft: bool) -> Path:
    """The folder that `hub_fetch` works in; its name is the import's id."""
    request = request.checked()
    _clear_old(folder)
    place = folder / ".imports" / secrets.token_hex(6)
    place.mkdir(parents=True)
    asked = {"request": request, "folder": str(folder.resolve()), "as_draft": as_draft}
    (place / "request.json").write_bytes(orjson.dumps(asked))
    return place


def read_import(folder: Path, import_id: str) -> HubImport:
    """Derived from the progress file and the process: one that died without a word has failed. Raises NotFound."""
    place = _place(folder, import_id)
    asked = orjson.loads((place / "request.json").read_bytes())["request"]
    progress = background_process.read_progress(place)
    records = place / RECORDS
    state = HubImport(
        id=import_id,
        hub_id=asked["hub_id"],
        phase=progress["phase"],
        done=progress.get("done"),
        rows=progress.get("rows", 0),
        bytes=progress.get("bytes", 0),
        dataset_id=progress.get("dataset_id", ""),
        failure=background_process.failure_of(progress),
        title=asked["name"] or asked["hub_id"].rstrip("/").split("/")[-1],
        records=records if progress["phase"] == "done" and records.exists() else None,
        source_detail=progress.get("source_detail", {}),
        draft_id=_draft_of(place),
    )
    if state.phase == "done" and not (state.records or state.dataset_id or state.draft_id):
        return replace(state, phase="failed", failure=_records_gone().failure())
    return state


def hand_over(folder: Path, import_id: str, drafts: Drafts) -> HubImport:
    """As `read_import`; when it is done, its records become a draft, which owns them: once, whoever asks."""
    state = read_import(folder, import_id)
    if state.records is None:
        return state
    place = _place(folder, import_id)
    with locked(place / "lock"):
        state = read_import(folder, import_id)
        if state.records is not None:
            draft = drafts.open([(state.hub_id, state.records)], state.title, origin="hub", detail=state.source_detail)
            background_process.write_facts(place / "draft.json", {"draft_id": draft.id})
            state = read_import(folder, import_id)
    return state


def cancel_import(folder: Path, import_id: str) -> None:
    """Nothing of it stays but its log; one that is over is left as it is."""
    place = _place(folder, import_id)
    if not background_process.is_alive(place):
        return
    background_process.stop(place)
    if background_process.read_progress(place).get("phase") != "done":
        background_process.tell_failure(place, PhiDeskError(_("The import was stopped."), code="import_stopped"))
        _drop_rows(place)


def forget_import(folder: Path, import_id: str) -> None:
    """Remove all of it, as when its records were taken into a draft. Gone already is fine."""
    place = folder / ".imports" / import_id
    if _IMPORT_ID.fullmatch(import_id) and place.exists():
        background_process.stop(place)
        shutil.rmtree(place, ignore_errors=True)


def wait_for_import(folder: Path, import_id: str) -> HubImport:
    """Until it is done. Raises what went wrong; Ctrl+C stops the import too."""
    try:
        background_process.wait(folder / ".imports" / import_id)
    except KeyboardInterrupt:
        cancel_import(folder, import_id)
        raise
    state = read_import(folder, import_id)
    if state.failure:
        raise _KINDS.get(state.failure.code, BadInput).of(state.failure)
    return state


def _place(folder: Path, import_id: str) -> Path:
    place = folder / ".imports" / import_id
    if not _IMPORT_ID.fullmatch(import_id) or not (place / "request.json").exists():
        raise NotFound(_("There is no import {id}.").format(id=import_id), code="no_such_import")
    return place


def _draft_of(place: Path) -> str:
    try:
        return str(orjson.loads((place / "draft.json").read_bytes())["draft_id"])
    except FileNotFoundError:
        return ""


def _records_gone() -> PhiDeskError:
    return PhiDeskError(
        _("What was imported is not here any more."),
        how_to_fix=_("Look among the unfinished datasets, or start the import again."),
        code="records_gone",
    )


def _drop_rows(place: Path) -> None:
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".jsonl":
            path.unlink(missing_ok=True)


def _clear_old(folder: Path) -> None:
    for place in (folder / ".imports").glob("*"):
        try:
            is_old = time.time() - (place / "progress.json").stat().st_mtime > KEEP_SECONDS
        except OSError:
            continue
        if is_old and not background_process.is_alive(place):
            shutil.rmtree(place, ignore_errors=True)
