"""Work in a process of its own (`python -m MODULE FOLDER`) that outlives the app: its folder is all the two share.

`process.json` says which process it is, `progress.json` how far it is, `log.txt` what it printed. The state is always
derived from these and from whether the process lives: one that died without a word has failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from backend.domain import Failure
from backend.errors import PhiDeskError
from backend.i18n import _
from backend.studio.atomic_files import write_atomically

_ROOT = Path(__file__).parents[2]
_FINAL = frozenset({"done", "ready", "failed"})
_GRACE = 5.0
"""Seconds between being asked to end and being ended."""
_BEGINNING = 10.0
"""Seconds after something was last written to the folder in which its process need not be known yet."""


def start(module: str, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Start `python -m module folder *arguments` and return at once. `folder` must exist; what an earlier process
    told there is forgotten. Secrets travel in `environment` only.
    """
    from backend.settings import QUIET_ENVIRONMENT

    for told in ("progress.json", "process.json"):
        (folder / told).unlink(missing_ok=True)
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder.resolve()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **QUIET_ENVIRONMENT, "PYTHONPATH": paths, **(environment or {})},
            cwd=folder,  # never where a folder could be taken for a package, or for the Hub's owner/name
            start_new_session=True,
        )
    try:
        started = psutil.Process(process.pid).create_time()
    except psutil.Error:
        started = 0.0
    write_facts(folder / "process.json", {"pid": process.pid, "started": started})
    process.returncode = 0  # meant to outlive this object; without this, Python warns that it still runs


def tell(folder: Path, phase: str, **facts: Any) -> None:
    """From inside the process: `phase` is its own word; `done`, `ready` and `failed` are final."""
    write_facts(folder / "progress.json", {"phase": phase, **facts})


def tell_failure(folder: Path, error: PhiDeskError) -> None:
    """From inside the process: its last word."""
    tell(folder, "failed", failure=asdict(error.failure()))


def read_progress(folder: Path) -> dict[str, Any]:
    """What it told last, `{"phase": "waiting"}` before its first word; a dead one without a last word has failed.

    So it is of small work that this process does itself: without `process.json`.
    """
    progress = _read(folder / "progress.json", {"phase": "waiting"})
    if progress["phase"] in _FINAL or is_alive(folder) or _is_beginning(folder):
        return progress
    progress = _read(folder / "progress.json", {"phase": "waiting"})  # its last word may have come while we looked
    if progress["phase"] in _FINAL:
        return progress
    return {**progress, "phase": "failed", "failure": asdict(_died(folder).failure())}


def failure_of(progress: Mapping[str, Any]) -> Failure | None:
    told = progress.get("failure")
    return Failure.of_facts(told) if told else None


def is_alive(folder: Path) -> bool:
    return _process(folder) is not None


def stop(folder: Path) -> None:
    """End it and the processes it started, and wait for that; one that is over is left as it is."""
    process = _process(folder)
    if process is None:
        return
    with suppress(psutil.Error):
        family = [*process.children(recursive=True), process]
        for one in family:
            with suppress(psutil.Error):
                one.terminate()
        for one in psutil.wait_procs(family, timeout=_GRACE)[1]:
            with suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(family, timeout=_GRACE)


def wait(folder: Path, *, seconds: float | None = None, every: float = 0.1) -> dict[str, Any]:
    """Its last progress, once it is over (or after `seconds`). For the command line; pages poll `read_progress`."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while (progress := read_progress(folder))["phase"] not in _FINAL:
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(every)
    return progress


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """As JSON, in one step; not synced, because state that a power cut loses is derived anew."""
    write_atomically(path, json.dumps(facts).encode(), is_synced=False)


def _read(path: Path, otherwise: dict[str, Any]) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return otherwise
    return facts if isinstance(facts, dict) else otherwise


def _process(folder: Path) -> psutil.Process | None:
    """The living process of this folder; a reused pid is told by its start time. Reaps our own child."""
    facts = _read(folder / "process.json", {})
    try:
        process = psutil.Process(int(facts["pid"]))
        # psutil derives the start from the boot time, which a clock correction may shift by a second
        if abs(process.create_time() - float(facts["started"])) > 1.5:
            return None
        if process.status() == psutil.STATUS_ZOMBIE:
            with suppress(psutil.TimeoutExpired):
                process.wait(0)
            return None
    except (KeyError, ValueError, psutil.Error):
        return None
    return process


def _is_beginning(folder: Path) -> bool:
    try:
        return not (folder / "process.json").exists() and abs(time.time() - folder.stat().st_mtime) < _BEGINNING
    except FileNotFoundError:
        return False


def _died(folder: Path) -> PhiDeskError:
    try:
        log = (folder / "log.txt").read_bytes()[-4096:].decode(errors="replace")
    except FileNotFoundError:
        log = ""
    return PhiDeskError(
        _("The work ended without a word."),
        why=_("Its process was killed, perhaps for lack of memory."),
        how_to_fix=_("Start it again; if it happens again, use a smaller part."),
        code="process_died",
        raw=log,
    )
