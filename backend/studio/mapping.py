"""The mappings that a person made, remembered by the names of a file's columns.

One JSON file, replaced as a whole; a damaged one counts as empty.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from backend.domain_datasets import FormatKind, RecordFormat
from backend.studio.atomic_files import write_atomically

logger = logging.getLogger(__name__)

PARTS = ("messages", "question", "answer", "system", "context", "history")
"""The parts of a conversation that a column can hold."""
MAX_REMEMBERED = 500
MAX_FILE_BYTES = 4 * 1024 * 1024


class Mappings:
    """Remembered mappings. The order of columns doesn't matter; their exact names do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def remembered(self, columns: Iterable[str]) -> RecordFormat | None:
        """What was chosen for a file with these columns, or None."""
        names = tuple(columns)
        form = _read_form(self._load().get(_key(names)))
        if form is None or not set(form.fields.values()) <= set(names):
            return None
        return form

    def remember(self, form: RecordFormat) -> None:
        """Keep it for files with the same columns, instead of what was kept for them before."""
        kept = self._load()
        key = _key(form.columns)
        kept.pop(key, None)
        kept[key] = {
            "kind": form.kind.value,
            "fields": dict(form.fields),
            "columns": list(form.columns),
            "question_ending": form.question_ending,
            "answer_ending": form.answer_ending,
        }
        self._save(dict(list(kept.items())[-MAX_REMEMBERED:]))

    def forget(self, columns: Iterable[str]) -> None:
        """Already forgotten is success."""
        kept = self._load()
        if kept.pop(_key(tuple(columns)), None) is not None:
            self._save(kept)

    def _load(self) -> dict[str, object]:
        try:
            if self.file.stat().st_size > MAX_FILE_BYTES:
                raise ValueError("it is larger than anything that is written here")
            kept = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("the remembered mappings can't be read and count as none: %s", error)
            return {}
        return kept if isinstance(kept, dict) else {}

    def _save(self, kept: Mapping[str, object]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.file, json.dumps(kept, indent=1).encode())


def _key(columns: tuple[str, ...]) -> str:
    return json.dumps(sorted(set(columns)))


def _read_form(kept: object) -> RecordFormat | None:
    if not isinstance(kept, dict):
        return None
    fields, columns = kept.get("fields"), kept.get("columns")
    if not isinstance(fields, dict) or not isinstance(columns, list):
        return None
    if not all(part in PARTS and isinstance(column, str) for part, column in fields.items()):
        return None
    try:
        kind = FormatKind(str(kept.get("kind")))
    except ValueError:
        return None
    names = tuple(name for name in columns if isinstance(name, str))
    question_ending, answer_ending = str(kept.get("question_ending", "")), str(kept.get("answer_ending", ""))
    return RecordFormat(kind, fields, names, question_ending=question_ending, answer_ending=answer_ending)
