"""Reading large sources in a process of its own: `python -m backend.studio.reading_process FOLDER`.

The folder becomes a working copy. `request.json` says what to read; progress is told as `background_process` has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from backend.domain_datasets import Decision, RecordFormat
from backend.errors import PhiDeskError
from backend.studio import background_process
from backend.studio.copy_making import make_working_copy
from backend.studio.records import SourceFile

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def start_reading(
    folder: Path,
    sources: Sequence[SourceFile],
    mapping: RecordFormat | None = None,
    decisions: Mapping[str, Decision] | None = None,
) -> None:
    """Returns at once; `background_process.read_progress(folder)` is reading, ready or failed from then on."""
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "sources": [{"path": os.fspath(source.path.absolute()), "name": source.name} for source in sources],
        "mapping": mapping,
        "decisions": decisions or {},
    }
    (folder / "request.json").write_bytes(orjson.dumps(request))
    background_process.start("backend.studio.reading_process", folder)


def _read(folder: Path) -> None:
    request: dict[str, Any] = orjson.loads((folder / "request.json").read_bytes())

    def tell(done: float, rows: int) -> None:
        background_process.tell(folder, "reading", done=done, rows=rows)

    try:
        tell(0.0, 0)
        copy = make_working_copy(
            [SourceFile(Path(source["path"]), source["name"]) for source in request["sources"]],
            folder,
            mapping=format_from(request["mapping"]),
            decisions={code: Decision(decision) for code, decision in request["decisions"].items()},
            on_progress=tell,
        )
        background_process.tell(folder, "ready", done=1.0, rows=copy.rows)
    except PhiDeskError as error:
        background_process.tell_failure(folder, error)
        raise SystemExit(1) from error


def format_from(facts: dict[str, Any] | None) -> RecordFormat | None:
    """A format as it was written to JSON."""
    if facts is None:
        return None
    form: RecordFormat = _format_adapter().validate_python(facts)
    return form


@lru_cache(maxsize=1)
def _format_adapter() -> TypeAdapter[RecordFormat]:
    """Made once: that takes 2 ms, and a draft is looked at each time its page is drawn."""
    from pydantic import TypeAdapter

    return TypeAdapter(RecordFormat)


if __name__ == "__main__":
    _read(Path(sys.argv[1]))
