"""Mending records that can't be used as they are: what Fix does, and for which flaws. Pure.

Every step (`turn_repairs`, `damaged_records`) is checked again by the same rules; a record is usable only when
nothing is wrong any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from backend.domain_datasets import FormatKind, RecordFormat
from backend.i18n import _
from backend.studio.conversion import Converted, convert, turns_of
from backend.studio.damaged_records import (
    read_json,
    read_plain_quotes,
    read_ragged_row,
    read_text,
)
from backend.studio.formats import UNKNOWN, recognise
from backend.studio.records import Broken, Record
from backend.studio.rules import Flaw, check_turns
from backend.studio.turn_repairs import STEPS
from backend.studio.turns import looks_like_turns

MAX_STEPS = 5
FEW_RECORDS = 20

REPAIRS: Mapping[str, str] = {
    "content_empty": _("Leaves out the empty message together with its question or answer."),
    "wrong_order": _(
        "Joins messages of the same speaker that follow one another, and leaves out an answer to nothing."
    ),
    "system_not_first": _("Moves the system messages to the beginning, as one."),
    "last_turn_not_assistant": _("Leaves out the last question, which has no answer."),
    "unknown_role": _("Calls the speaker by the role that is meant, where that is clear."),
    "content_not_text": _("Writes numbers, true and false as text, and takes null for an empty text."),
    "part_not_text": _("Leaves out images and other parts that are no text."),
    "tool_turns": _("Writes tool calls as the assistant's text, and what a tool answered as the user's."),
    "message_not_an_object": _("Takes plain texts as question and answer in turns."),
    "nul_character": _("Removes NULs and half characters."),
    "not_an_object": _("Takes a list of messages as a conversation."),
    "no_messages": _("Reads these rows by the format that they have themselves."),
    "column_missing": _("Reads these rows by the format that they have themselves."),
    "not_utf8": _("Reads the text in the encoding that fits its letters."),
    "not_json": _("Corrects quotes, commas and a missing last brace, where it is clear what was meant."),
    "duplicate_key": _("Takes the last of the values that have the same name."),
    "ragged_row": _("Puts surplus cells into the last column, and takes missing ones as empty."),
    "quote_not_closed": _("Takes the quote as an ordinary letter, where the cells of the row then fit."),
}
"""What Fix does, by the code of the flaw. A code that isn't here can't be mended honestly."""


def repair(
    code: str, record_or_raw: object, form: RecordFormat, *, allowed: Collection[str] | None = None
) -> Converted:
    """The record mended and checked again. Where that can't be done honestly its flaw has the code `not_mended`.

    `record_or_raw` is the parsed record, or the bytes of what could not be parsed.
    What the first step brings to light is mended too, up to five steps; where `allowed` is given only flaws of
    these codes, and the first of another code is the flaw that is left.
    """
    record = record_or_raw
    if isinstance(record, bytes):
        record = _read_damaged(code, record, form)
        if record is None:
            return Converted(None, _UNCLEAR)
    found = _by_its_own_format(convert(record, form), record, form)
    if found.flaw is None:
        return found
    if allowed is not None and found.flaw.code not in {code, *allowed}:
        return found
    return _mend_turns(code, record, form, found.flaw, allowed)


_UNCLEAR = Flaw(
    "not_mended",
    _("It isn't clear what this record was meant to be; it may have been cut off."),
    _("Correct it in the file, or skip it."),
)


def records_to_look_at(items: Sequence[Record | Broken]) -> list[object]:
    """What `recognise` looks at: the records, and where hardly any could be parsed, damaged ones that can be mended.

    Without these a table in an old encoding would show no columns at all.
    """
    records = [item.value for item in items if isinstance(item, Record)]
    if len(records) >= FEW_RECORDS:
        return records
    damaged = [item for item in items if isinstance(item, Broken) and item.raw][:FEW_RECORDS]
    mended = [_read_damaged(item.code, item.raw, UNKNOWN) for item in damaged]
    return [*records, *(record for record in mended if record is not None)]


def _mend_turns(
    code: str, record: object, form: RecordFormat, first: Flaw, allowed: Collection[str] | None
) -> Converted:
    """The steps over the turns of a record, as long as each changes something."""
    not_mended = Converted(None, Flaw("not_mended", first.message, first.fix))
    found = turns_of(record, form)
    if isinstance(found, Flaw) or not isinstance(found[0], list):
        return not_mended
    turns, notes = found
    flaw = first
    for _step in range(MAX_STEPS):
        step = STEPS.get(flaw.code)
        mended = step(turns) if step is not None and isinstance(turns, list) else None
        if mended is None or mended == turns:
            return not_mended
        turns = mended
        checked = check_turns(turns)
        if not isinstance(checked, Flaw):
            return Converted(checked, None, notes)
        flaw = checked
        if allowed is not None and flaw.code in STEPS and flaw.code not in {code, *allowed}:
            return Converted(None, flaw)
    return not_mended


def _by_its_own_format(found: Converted, record: object, form: RecordFormat) -> Converted:
    """A record of another format than its file's, read by its own; `found` where it has none that is sure."""
    if found.flaw is None or found.flaw.code not in ("no_messages", "column_missing", "not_an_object"):
        return found
    if isinstance(record, list) and looks_like_turns(record):
        return convert({"messages": record}, RecordFormat(FormatKind.MESSAGES, {"messages": "messages"}))
    own = recognise([record])
    if not own.is_sure or own.fields == form.fields:
        return found
    by_own = convert(record, own)
    return by_own if by_own.flaw is None else found


def _read_damaged(code: str, raw: bytes, form: RecordFormat) -> object | None:
    """The record of bytes that could not be parsed."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        text = read_text(raw)
        if text is None:
            return None
        raw = text.encode("utf-8", "ignore")
    if code == "ragged_row":
        return read_ragged_row(raw, form.columns)
    if code == "quote_not_closed":
        return read_plain_quotes(raw, form.columns)
    return read_json(raw)
