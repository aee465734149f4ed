"""Reading large sources in a process of its own: `python -m backend.studio.reading_process FOLDER`.

The folder becomes a working copy. `request.json` says what to read; progress is told as `background_process` has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from backend.domain_datasets import Decision, RecordFormat
from backend.errors import PhiDeskError
from backend.studio import background_process
from backend.studio.copy_making import make_working_copy
from backend.studio.records import SourceFile


def start_reading(
    folder: Path,
    sources: Sequence[SourceFile],
    mappings: Sequence[RecordFormat] = (),
    decisions: Mapping[str, Decision] | None = None,
) -> None:
    """Returns at once; `background_process.read_progress(folder)` is reading, ready or failed from then on."""
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "sources": [{"path": os.fspath(source.path.absolute()), "name": source.name} for source in sources],
        "mappings": mappings,
        "decisions": decisions or {},
    }
    (folder / "request.json").write_bytes(orjson.dumps(request))
    background_process.start("backend.studio.reading_process", folder)


def _read(folder: Path) -> None:
    from pydantic import TypeAdapter  # takes a while to load, and the app only starts such a process

    request: dict[str, Any] = orjson.loads((folder / "request.json").read_bytes())

    def tell(done: float, rows: int) -> None:
        background_process.tell(folder, "reading", done=done, rows=rows)

    try:
        tell(0.0, 0)
        copy = make_working_copy(
            [SourceFile(Path(source["path"]), source["name"]) for source in request["sources"]],
            folder,
            mappings=TypeAdapter(tuple[RecordFormat, ...]).validate_python(request["mappings"]),
            decisions={code: Decision(decision) for code, decision in request["decisions"].items()},
            on_progress=tell,
        )
        background_process.tell(folder, "ready", done=1.0, rows=copy.rows)
    except PhiDeskError as error:
        background_process.tell_failure(folder, error)
        raise SystemExit(1) from error


if __name__ == "__main__":
    _read(Path(sys.argv[1]))
