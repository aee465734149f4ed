"""What `draft.json` holds: where a draft came from and what was decided about it. All else is derived.

Whatever is in the file, it is understood or told to be damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from backend.domain_datasets import Decision, FileFormat, RecordFormat
from backend.errors import NotFound, PhiDeskError
from backend.i18n import _
from backend.studio.atomic_files import say_no_room, write_atomically
from backend.studio.records import SourceFile

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NAME = "draft.json"


@dataclass(frozen=True)
class Kept:
    """`reading` counts how often the sources were read: each time into a folder of its own. `unclear` are files that
    don't say what their columns mean, whether a mapping does or not.
    """

    name: str
    sources: tuple[SourceFile, ...]
    origin: str = "file"
    detail: Mapping[str, Any] = field(default_factory=dict)
    opened_at: str = ""
    mappings: tuple[RecordFormat, ...] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    reading: int = 0
    unclear: tuple[FileFormat, ...] = ()


def save_kept(place: Path, kept: Kept) -> None:
    """Into the draft's folder, in one step. Raises NoRoom for a full disk."""
    with say_no_room():
        write_atomically(place / NAME, orjson.dumps(kept, default=str))


def load_kept(place: Path) -> Kept:
    """Raises NotFound, or PhiDeskError where what is there can't be understood."""
    try:
        written = (place / NAME).read_bytes()
    except OSError as error:
        raise no_such_draft(place.name, str(error)) from error
    try:
        kept = _understood(written)
    except ValueError as error:
        raise PhiDeskError(
            _("What was kept of these files can't be read."),
            why=_("It is damaged, or another version of Phi Desk wrote it."),
            how_to_fix=_("Discard it, and add the files again."),
            code="draft_damaged",
            raw=str(error),
        ) from error
    return replace(kept, sources=tuple(_found_again(place, source) for source in kept.sources))


def no_such_draft(draft_id: str, raw: str = "") -> NotFound:
    return NotFound(
        _("There is no draft {id}.").format(id=draft_id),
        how_to_fix=_("Add the files again."),
        code="no_such_draft",
        raw=raw,
    )


def _found_again(place: Path, source: SourceFile) -> SourceFile:
    """Uploaded bytes are in the draft's own folder, wherever that was moved to."""
    if source.path.parent.name == "sources" and not source.path.exists():
        return replace(source, path=place / "sources" / source.path.name)
    return source


def _understood(written: bytes) -> Kept:
    """Raises ValueError for what no version of ours wrote."""
    facts = orjson.loads(written)
    if isinstance(facts, dict) and "mapping" in facts:  # as it was when a draft had one mapping only
        said = facts.pop("mapping")
        facts["mappings"] = [said] if said else []
    return _adapter().validate_python(facts)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Kept]:
    """Made once: that takes milliseconds, and a draft is looked at each time its page is drawn."""
    from pydantic import TypeAdapter

    return TypeAdapter(Kept)
