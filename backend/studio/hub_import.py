"""A dataset from the Hugging Face Hub (or a folder laid out like one), fetched by a process of its own.

The process (`python -m backend.studio.hub_import FOLDER`) outlives the app; `request.json`, `progress.json` and
`log.txt` in its folder are all that the two sides share. The Hub's token travels in the environment only.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from backend.domain import Failure
from backend.errors import BadInput, NotFound, PhiDeskError, Unavailable
from backend.i18n import _
from backend.settings import QUIET_ENVIRONMENT
from backend.studio.dataset_folder import Input, save_split, write_atomically

_HUB_ID = re.compile(r"\w[\w.-]{0,95}(/\w[\w.-]{0,95})?", re.ASCII)
_ROOT = Path(__file__).parents[2]
_SPLIT = re.compile(r"[\w.\-+\[\]:%() ,]{1,200}")
_IMPORT_ID = re.compile(r"[a-f0-9]{12}")


@dataclass(frozen=True)
class HubImport:
    """`phase` is waiting, downloading, checking, saving, done or failed; `done` is 0..1 where known.

    `dataset_id` is set when it is done, `failure` when it failed.
    """

    id: str
    hub_id: str
    phase: str
    done: float | None = None
    rows: int = 0
    dataset_id: str = ""
    failure: Failure | None = None

    @property
    def is_final(self) -> bool:
        return self.phase in {"done", "failed"}


def start_import(folder: Path, request: Mapping[str, Any], token: str | None) -> HubImport:
    """`request` has hub_id, config, split, name, eval_fraction, seed, skip_bad. Raises BadInput for unfit words."""
    _require_fit(request)
    import_id = secrets.token_hex(6)
    place = folder / ".imports" / import_id
    place.mkdir(parents=True)
    write_atomically(place / "request.json", json.dumps({**request, "folder": str(folder.resolve())}).encode())
    environment = {**os.environ, **QUIET_ENVIRONMENT, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    if token:
        environment["HF_TOKEN"] = token
    with (place / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.studio.hub_import", str(place.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=place,  # not where a folder could be taken for the Hub's owner/name
            start_new_session=True,
        )
    started = psutil.Process(process.pid).create_time()
    write_atomically(place / "process.json", json.dumps({"pid": process.pid, "started": started}).encode())
    return HubImport(id=import_id, hub_id=str(request["hub_id"]), phase="waiting")


def read_import(folder: Path, import_id: str) -> HubImport:
    """Derived from the progress file and the process: one that died without a word has failed."""
    place = _place(folder, import_id)
    hub_id = str(json.loads((place / "request.json").read_bytes())["hub_id"])
    process = _process(place)
    progress = _progress(place)
    if progress["phase"] not in {"done", "failed"} and process is None:
        progress = _progress(place)  # it may have written its last word while we looked
        if progress["phase"] not in {"done", "failed"}:
            progress = {"phase": "failed", "failure": vars(_died(place).failure())}
    failure = progress.get("failure")
    return HubImport(
        id=import_id,
        hub_id=hub_id,
        phase=progress["phase"],
        done=progress.get("done"),
        rows=progress.get("rows", 0),
        dataset_id=progress.get("dataset_id", ""),
        failure=Failure(**failure) if failure else None,
    )


def cancel_import(folder: Path, import_id: str) -> None:
    """Nothing of it stays but its log; one that is over is left as it is."""
    place = _place(folder, import_id)
    process = _process(place)
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        process.wait(10)
    if _progress(place)["phase"] not in {"done", "failed"}:
        error = PhiDeskError(_("The import was stopped."), code="import_stopped")
        write_atomically(
            place / "progress.json", json.dumps({"phase": "failed", "failure": vars(error.failure())}).encode()
        )
    (place / "rows.jsonl").unlink(missing_ok=True)


def _place(folder: Path, import_id: str) -> Path:
    place = folder / ".imports" / import_id
    if not _IMPORT_ID.fullmatch(import_id) or not (place / "request.json").exists():
        raise NotFound(_("There is no import {id}.").format(id=import_id), code="no_such_import")
    return place


def _progress(place: Path) -> dict[str, Any]:
    try:
        progress: dict[str, Any] = json.loads((place / "progress.json").read_bytes())
    except FileNotFoundError:
        return {"phase": "waiting"}
    return progress


def _process(place: Path) -> psutil.Process | None:
    """The living process of this import; a reused pid is told by its start time. Reaps our own child."""
    try:
        facts = json.loads((place / "process.json").read_bytes())
        process = psutil.Process(facts["pid"])
        if process.create_time() != facts["started"]:
            return None
        if process.status() == psutil.STATUS_ZOMBIE:
            with suppress(psutil.TimeoutExpired):
                process.wait(0)
            return None
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    return process


def _died(place: Path) -> PhiDeskError:
    log = (place / "log.txt").read_bytes()[-4096:].decode(errors="replace")
    return PhiDeskError(
        _("The import ended without a word."),
        why=_("Its process was killed, perhaps for lack of memory."),
        how_to_fix=_("Try again with a smaller part, such as train[:1%]."),
        code="import_died",
        raw=log,
    )


def _require_fit(request: Mapping[str, Any]) -> None:
    hub_id, split = str(request["hub_id"]), str(request["split"])
    if not Path(hub_id).is_absolute() and not _HUB_ID.fullmatch(hub_id):
        raise BadInput(
            _('"{id}" is not the id of a Hub dataset.').format(id=hub_id[:100]),
            how_to_fix=_("Write it as owner/name, such as HuggingFaceH4/ultrachat_200k."),
            code="bad_hub_id",
        )
    if not _SPLIT.fullmatch(split):
        raise BadInput(
            _('"{split}" is not a split expression.').format(split=split[:100]),
            how_to_fix=_("Write train, or a part of it such as train[:1%] or train[:500]."),
            code="bad_split",
        )


def fetch(place: Path) -> None:
    """Runs in the process of its own: load, check, split, save."""
    request = json.loads((place / "request.json").read_bytes())
    rows_file = place / "rows.jsonl"
    try:
        _tell(place, "downloading")
        count = _load(request, rows_file, place)
        _tell(place, "saving", rows=count)
        dataset = save_split(
            Path(request["folder"]),
            Input(rows_file),
            request["name"] or request["hub_id"].rstrip("/").split("/")[-1],
            "hub",
            fraction=request["eval_fraction"],
            seed=request["seed"],
            skip_bad=request["skip_bad"],
            hub_id=request["hub_id"],
            config=request["config"],
            split=request["split"],
            rows_read=count,
        )
        _tell(place, "done", done=1.0, rows=count, dataset_id=dataset.id)
    except PhiDeskError as error:
        _tell(place, "failed", failure=vars(error.failure()))
        raise SystemExit(1) from error
    finally:
        rows_file.unlink(missing_ok=True)


def _load(request: Mapping[str, Any], rows_file: Path, place: Path) -> int:
    import datasets
    import orjson

    from backend.studio.hub_errors import in_words

    source = request["hub_id"]
    config = request["config"]
    if Path(source).is_absolute() and config == "default":
        config = None
    try:
        loaded = datasets.load_dataset(source, config or None, split=request["split"])
    except Exception as error:
        raise in_words(error, request) from error
    if "messages" not in loaded.column_names:
        raise BadInput(
            _("{id} has no column `messages` (its columns: {columns}).").format(
                id=source, columns=", ".join(loaded.column_names)
            ),
            how_to_fix=_("Choose a chat dataset, such as HuggingFaceH4/ultrachat_200k."),
            code="no_messages",
        )
    loaded = loaded.select_columns(["messages"])
    last = time.monotonic()
    with rows_file.open("wb") as file:
        for number, row in enumerate(loaded, start=1):
            file.write(orjson.dumps({"messages": _plain(row["messages"])}, option=orjson.OPT_APPEND_NEWLINE))
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                _tell(place, "checking", done=number / len(loaded), rows=number)
    return len(loaded)


def _plain(messages: object) -> object:
    """Arrow fills columns that one message lacks with null; only role and content count here."""
    if not isinstance(messages, list):
        return messages
    return [
        {key: turn[key] for key in ("role", "content") if turn.get(key) is not None} if isinstance(turn, dict) else turn
        for turn in messages
    ]


def _tell(place: Path, phase: str, **facts: Any) -> None:
    write_atomically(place / "progress.json", json.dumps({"phase": phase, **facts}).encode())


def wait_for_import(folder: Path, import_id: str) -> str:
    """The new dataset's id. Raises what went wrong; Ctrl+C stops the import too."""
    try:
        while not (state := read_import(folder, import_id)).is_final:
            time.sleep(0.3)
    except KeyboardInterrupt:
        cancel_import(folder, import_id)
        raise
    if state.failure:
        failure = state.failure
        kinds: dict[str, type[PhiDeskError]] = {"hub_unreachable": Unavailable, "no_such_hub_dataset": NotFound}
        kind = kinds.get(failure.code, BadInput)
        raise kind(failure.what, why=failure.why, how_to_fix=failure.how_to_fix, code=failure.code, raw=failure.raw)
    shutil.rmtree(folder / ".imports" / import_id, ignore_errors=True)
    return state.dataset_id


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
