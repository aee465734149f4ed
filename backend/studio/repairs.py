"""Mending records that can't be used as they are: what Fix does, one small step for each flaw. Pure.

Every step is checked again by the same rules; a record is usable only when nothing is wrong any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from backend.domain import ROLES
from backend.domain_datasets import FormatKind, RecordFormat
from backend.i18n import _
from backend.studio.conversion import Converted, convert, turns_of
from backend.studio.damaged_records import read_json, read_plain_quotes, read_ragged_row, read_text, without_unfit
from backend.studio.formats import UNKNOWN, recognise
from backend.studio.records import Broken, Record
from backend.studio.roles import CALL_NAMES, RESULT_NAMES, clean_name, known_role, nearest_role
from backend.studio.rules import Flaw, check_turns, has_tool_call
from backend.studio.turns import looks_like_turns, part_texts

MAX_STEPS = 5
FEW_RECORDS = 20

Turns = list[object]

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

    `record_or_raw` is the parsed record, or its bytes for a record that could not be parsed. What the first step
    brings to light is mended too, up to five steps; where `allowed` is given only flaws of these codes, and the
    first of another code is the flaw that is left.
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
        step = _STEPS.get(flaw.code)
        mended = step(turns) if step is not None and isinstance(turns, list) else None
        if mended is None or mended == turns:
            return not_mended
        turns = mended
        checked = check_turns(turns)
        if not isinstance(checked, Flaw):
            return Converted(checked, None, notes)
        flaw = checked
        if allowed is not None and flaw.code in _STEPS and flaw.code not in {code, *allowed}:
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


def _leave_out_empty(turns: Turns) -> Turns | None:
    """Without the empty turns; the question of an empty answer goes too, and the answer to an empty question."""
    kept: Turns = []
    waiting = list(reversed(turns))
    while waiting:
        turn = waiting.pop()
        after = _role(waiting[-1]) if waiting else ""
        before = _role(kept[-1]) if kept else ""
        if not _is_empty(turn):
            kept.append(turn)
        elif _role(turn) == "assistant" and before == "user" and after != "assistant":
            kept.pop()
        elif _role(turn) == "user" and after == "assistant" and before != "user":
            waiting.pop()
    return kept


def _join_neighbours(turns: Turns) -> Turns | None:
    joined: Turns = []
    for turn in turns:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
            return None
        before = joined[-1] if joined else None
        if _role(turn) == "assistant" and (before is None or _role(before) == "system"):
            continue
        if isinstance(before, Mapping) and _role(before) == _role(turn):
            joined[-1] = {**before, "content": f"{before['content']}\n\n{turn['content']}"}
        else:
            joined.append(turn)
    return joined


def _system_to_the_front(turns: Turns) -> Turns | None:
    contents = [turn.get("content") for turn in turns if isinstance(turn, Mapping) and _role(turn) == "system"]
    texts = [content for content in contents if isinstance(content, str) and content.strip()]
    others = [turn for turn in turns if _role(turn) != "system"]
    return [{"role": "system", "content": "\n\n".join(texts)}, *others] if texts else others


def _leave_out_last_question(turns: Turns) -> Turns | None:
    while turns and _role(turns[-1]) == "user":
        turns = turns[:-1]
    return turns


def _name_roles(turns: Turns) -> Turns | None:
    named: Turns = []
    for turn in turns:
        role = turn.get("role") if isinstance(turn, Mapping) else None
        if isinstance(turn, Mapping) and isinstance(role, str) and role not in ROLES:
            turn = {**turn, "role": nearest_role(role) or role}
        named.append(turn)
    return named


def _contents_as_text(turns: Turns) -> Turns | None:
    return [
        {**turn, "content": _as_text(turn["content"])} if isinstance(turn, Mapping) and "content" in turn else turn
        for turn in turns
    ]


def _as_text(content: object) -> object:
    if content is None:
        return ""
    if isinstance(content, bool | int | float):
        return json.dumps(content)
    return content


def _leave_out_parts(turns: Turns) -> Turns | None:
    kept: Turns = []
    for turn in turns:
        content = turn.get("content") if isinstance(turn, Mapping) else None
        texts = part_texts(content) if isinstance(content, list) else None
        kept.append({**turn, "content": "\n".join(texts)} if isinstance(turn, Mapping) and texts is not None else turn)
    return kept


def _tools_as_text(turns: Turns) -> Turns | None:
    written: Turns = []
    for turn in turns:
        role = turn.get("role") if isinstance(turn, Mapping) else None
        name = clean_name(role) if isinstance(role, str) else ""
        if not isinstance(turn, Mapping) or not (has_tool_call(turn) or name in CALL_NAMES | RESULT_NAMES):
            written.append(turn)
            continue
        calls = [turn["function_call"]] if turn.get("function_call") else []
        calls += turn["tool_calls"] if isinstance(turn.get("tool_calls"), list) else []
        texts = [_content_text(turn.get("content")), *(_call_text(call) for call in calls)]
        content = "\n".join(text for text in texts if text.strip())
        is_result = name in RESULT_NAMES and not calls
        written.append({"role": "user" if is_result else "assistant", "content": content})
    # A call and the words around it, or several results, are then messages of one speaker.
    return _join_neighbours(written) or written


def _content_text(content: object) -> str:
    if isinstance(content, list) and (texts := part_texts(content)) is not None:
        return "\n".join(texts)
    if content is None or isinstance(content, str):
        return content or ""
    try:
        return json.dumps(content, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # nested more deeply than Python follows
        return ""


def _call_text(call: object) -> str:
    """A call as `{"name": ..., "arguments": ...}`, whichever way it is written."""
    inner = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(inner, Mapping):
        return _content_text(inner)
    arguments = inner.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    return _content_text({"name": inner.get("name"), "arguments": arguments})


def _texts_as_turns(turns: Turns) -> Turns | None:
    """Texts in turns, or pairs of texts; None where it isn't that clear."""
    if all(isinstance(turn, list) and len(turn) == 2 for turn in turns):
        turns = [text for pair in turns if isinstance(pair, list) for text in pair]
    if len(turns) % 2 or not all(isinstance(turn, str) for turn in turns):
        return None
    return [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(turns)]


def _without_unfit(turns: Turns) -> Turns | None:
    return [
        {**turn, "content": without_unfit(turn["content"])}
        if isinstance(turn, Mapping) and isinstance(turn.get("content"), str)
        else turn
        for turn in turns
    ]


def _role(turn: object) -> str:
    role = turn.get("role") if isinstance(turn, Mapping) else None
    return (known_role(role) or role) if isinstance(role, str) else ""


def _is_empty(turn: object) -> bool:
    content = turn.get("content") if isinstance(turn, Mapping) else None
    return isinstance(content, str) and not content.strip()


_STEPS: Mapping[str, Callable[[Turns], Turns | None]] = {
    "content_empty": _leave_out_empty,
    "wrong_order": _join_neighbours,
    "system_not_first": _system_to_the_front,
    "last_turn_not_assistant": _leave_out_last_question,
    "unknown_role": _name_roles,
    "content_not_text": _contents_as_text,
    "part_not_text": _leave_out_parts,
    "tool_turns": _tools_as_text,
    "message_not_an_object": _texts_as_turns,
    "nul_character": _without_unfit,
}
