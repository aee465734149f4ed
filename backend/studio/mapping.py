"""The mappings of columns that a person makes, one for each set of columns, and those remembered for such files.

What is remembered is in one JSON file, replaced as a whole; a damaged one counts as empty.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from backend.domain_datasets import FormatKind, RecordFormat
from backend.errors import BadInput
from backend.i18n import _
from backend.studio.atomic_files import write_atomically
from backend.studio.endings import answer_ending, question_ending

logger = logging.getLogger(__name__)

PARTS = ("messages", "question", "answer", "system", "context", "history")
"""The parts of a conversation that a column can hold."""
MAX_REMEMBERED = 500
MAX_FILE_BYTES = 4 * 1024 * 1024


def map_columns(fields: Mapping[str, str], columns: Sequence[str], records: Sequence[object] = ()) -> RecordFormat:
    """What a person says of the columns: `fields` maps the parts of a conversation to them; empty ones are left out.

    `records` are looked at for the marks that end questions and answers. Raises BadInput where that can't be.
    """
    chosen = {part: column for part, column in fields.items() if column}
    if unknown := next((part for part in chosen if part not in PARTS), None):
        raise BadInput(
            _("There is no part {part} of a conversation.").format(part=unknown),
            how_to_fix=_("Use one of: {parts}.").format(parts=", ".join(PARTS)),
            code="unknown_part",
        )
    if columns:
        require_columns(chosen.values(), columns)
    twice = sorted(column for column in set(chosen.values()) if list(chosen.values()).count(column) > 1)
    if twice:
        raise BadInput(
            _("The column {column} is chosen twice.").format(column=twice[0]),
            how_to_fix=_("Choose a column of its own for each part."),
            code="column_twice",
        )
    if "messages" in chosen and "answer" in chosen:
        raise BadInput(
            _("Either one column holds the whole conversation, or question and answer have columns of their own."),
            how_to_fix=_("Choose one of the two ways."),
            code="two_ways",
        )
    if "messages" not in chosen and not {"question", "answer"} <= chosen.keys():
        raise BadInput(
            _("A conversation needs a question and an answer."),
            how_to_fix=_("Choose the column of the question and the column of the answer."),
            code="incomplete_mapping",
        )
    texts = {
        part: [
            record[column] for record in records if isinstance(record, Mapping) and isinstance(record.get(column), str)
        ]
        for part, column in chosen.items()
    }
    return RecordFormat(
        FormatKind.MAPPED,
        chosen,
        tuple(columns),
        question_ending=question_ending(texts.get("question", [])),
        answer_ending=answer_ending(texts.get("answer", [])),
    )


def require_columns(named: Iterable[str], columns: Sequence[str]) -> None:
    """Raises BadInput for the first that isn't there."""
    missing = next((column for column in named if column not in columns), None)
    if missing is not None:
        raise BadInput(
            _("There is no column {column}.").format(column=missing),
            how_to_fix=_("Use one of: {columns}.").format(columns=", ".join(columns[:20])),
            code="unknown_column",
        )


def mapping_for(form: RecordFormat, mappings: Sequence[RecordFormat]) -> RecordFormat | None:
    """The mapping that is used for a file recognised as `form`, or None.

    That is the one made for just these columns. A file that is unclear takes another whose columns it has, too: the one
    made for the most similar columns, as JSON rows may lack a column now and then. A mapping without `columns` is made
    for any file that has those it names. Of equally good ones the first is taken.
    """
    columns = set(form.columns)
    fitting = [
        one
        for one in mappings
        if set(one.fields.values()) <= columns and (not form.is_sure or not one.columns or set(one.columns) == columns)
    ]
    return min(fitting, key=lambda one: len(columns.symmetric_difference(one.columns)), default=None)


def with_mapping(mappings: Sequence[RecordFormat], form: RecordFormat) -> tuple[RecordFormat, ...]:
    """With this one instead of what was said of the same columns."""
    return (*without_mapping(mappings, form.columns), form)


def without_mapping(mappings: Sequence[RecordFormat], columns: Iterable[str]) -> tuple[RecordFormat, ...]:
    said_of = set(columns)
    return tuple(one for one in mappings if set(one.columns) != said_of)


class Mappings:
    """Remembered mappings. The order of columns doesn't matter; their exact names do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def remembered(self, columns: Iterable[str]) -> RecordFormat | None:
        """What was chosen for a file with these columns, or None."""
        return next(iter(self.all_remembered([tuple(columns)])), None)

    def all_remembered(self, sets: Iterable[tuple[str, ...]]) -> Sequence[RecordFormat]:
        """For each of these sets of columns that something was chosen for."""
        kept = self._load()
        found = {}
        for names in sets:
            form = _read_form(kept.get(_key(names)))
            if form is not None and set(form.fields.values()) <= set(names):
                found[_key(names)] = form
        return list(found.values())

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
