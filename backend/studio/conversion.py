"""A record becomes messages, or has a flaw in words that names its column. Pure; one call a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from backend.domain import Message
from backend.domain_datasets import RecordFormat
from backend.i18n import _
from backend.studio.endings import strip_answer, strip_question
from backend.studio.rendered_chat import read_rendered
from backend.studio.rules import Flaw, check_turns, clean_messages, is_unfit, kind_of, not_an_object
from backend.studio.turns import looks_like_turns, plain_content, plain_turns, renamed_turns


class Converted(NamedTuple):
    """Either `messages` or `flaw`. `notes` are codes of what was changed without a question, as `ending_stripped`."""

    messages: tuple[Message, ...] | None
    flaw: Flaw | None = None
    notes: tuple[str, ...] = ()


def convert(record: object, form: RecordFormat) -> Converted:
    """One record; for many of one format take `converter` once."""
    return converter(form)(record)


def converter(form: RecordFormat) -> Callable[[object], Converted]:
    """The function that converts records of a format. It never raises, whatever the record."""
    quick = _quick_turns(form)

    def convert_record(record: object) -> Converted:
        turns = quick(record)
        messages = None if turns is None else clean_messages(turns)
        return Converted(messages) if messages is not None else _convert_slowly(record, form)

    return convert_record


def _quick_turns(form: RecordFormat) -> Callable[[object], object]:
    """The function that gives the turns of a record that plainly has them, not checked; None for a closer look."""
    column, system = form.fields.get("messages"), form.fields.get("system")

    def quick(record: object) -> object:
        if type(record) is not dict:
            return None
        turns = record.get(column)
        if type(turns) is list and turns and type(turns[0]) is dict and "from" in turns[0]:
            turns = renamed_turns(turns)
        if system is not None and record.get(system):
            text = record[system]
            if type(text) is not str or type(turns) is not list or not turns or type(turns[0]) is not dict:
                return None
            if turns[0].get("role") != "system":
                return [{"role": "system", "content": text}, *turns]
        return turns

    return quick if column is not None else lambda record: None


def turns_of(record: object, form: RecordFormat) -> tuple[object, tuple[str, ...]] | Flaw:
    """The turns of a record as `{"role", "content"}`, not checked yet, and the notes; or why there are none."""
    if not isinstance(record, Mapping):
        return not_an_object(record)
    notes: set[str] = set()
    if "messages" in form.fields:
        turns = _turns_of_list(record, form, notes)
    elif "answer" in form.fields:
        turns = _turns_of_columns(record, form, notes)
    else:
        turns = _unknown_columns(record)
    return turns if isinstance(turns, Flaw) else (turns, tuple(sorted(notes)))


def _convert_slowly(record: object, form: RecordFormat) -> Converted:
    found = turns_of(record, form)
    if isinstance(found, Flaw):
        return Converted(None, found)
    turns, notes = found
    checked = check_turns(turns)
    if isinstance(checked, Flaw):
        return Converted(None, _column_flaw(record, form) or checked)
    if isinstance(turns, list) and len(checked) < len(turns):
        notes = (*notes, "empty_system_left_out")
    return Converted(checked, None, notes)


def _turns_of_list(record: Mapping[str, object], form: RecordFormat, notes: set[str]) -> object:
    column = form.fields["messages"]
    if column not in record:
        names = ", ".join(str(name)[:40] for name in list(record)[:8]) or _("none")
        return Flaw(
            "no_messages",
            _("The record has no `{column}` (its columns: {names}).").format(column=column, names=names),
            _("Write the conversation's messages into `{column}`.").format(column=column),
        )
    value = record[column]
    if isinstance(value, str) and not looks_like_turns(value):
        rendered = read_rendered(value)
        if rendered is None:
            return Flaw(
                "no_turns_in_text",
                _("In the text of `{column}`, question and answer can't be told apart.").format(column=column),
                _("Give question and answer columns of their own."),
            )
        notes.add("template_read")
        turns: object = rendered
    else:
        turns = plain_turns(value, notes, record.get("current_node"))
    system = record.get(form.fields["system"]) if "system" in form.fields else None
    if isinstance(turns, list) and isinstance(system, str) and system.strip():
        has_own = any(isinstance(turn, Mapping) and turn.get("role") == "system" for turn in turns)
        if not has_own:
            return [{"role": "system", "content": system}, *turns]
    return turns


def _turns_of_columns(record: Mapping[str, object], form: RecordFormat, notes: set[str]) -> object:
    values = {part: record.get(column) for part, column in form.fields.items()}
    answer_column = form.fields["answer"]
    if values["answer"] is None:
        return _column_missing(answer_column)
    asked = [
        part for part in ("question", "context") if values.get(part) is not None and not _is_empty_text(values[part])
    ]
    if not asked and values.get("question") is None:
        return _column_missing(form.fields.get("question") or form.fields.get("context", "question"))
    history = _turns_of_history(values.get("history"), form, notes)
    if isinstance(history, Flaw):
        return history
    turns: list[object] = []
    if values.get("system") is not None and not _is_empty_text(values["system"]):
        turns.append({"role": "system", "content": values["system"]})
    turns += history
    turns += _questions([_single(values[part]) for part in asked] or [""], form, notes)
    turns += _answers(_single(values["answer"]), form, notes)
    return turns


def _questions(values: list[object], form: RecordFormat, notes: set[str]) -> list[object]:
    if len(values) == 1 and isinstance(values[0], list) and looks_like_turns(values[0]):
        turns = plain_turns(values[0], notes)
        return turns if isinstance(turns, list) else []
    contents = [plain_content(value, notes) for value in values]
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) < len(contents):
        return [{"role": "user", "content": next(one for one in contents if not isinstance(one, str))}]
    question, note = strip_question("\n\n".join(texts), form)
    notes.update(note)
    return [{"role": "user", "content": question}]


def _answers(value: object, form: RecordFormat, notes: set[str]) -> list[object]:
    if isinstance(value, Mapping) and looks_like_turns([value]):
        value = [value]
    if isinstance(value, list) and looks_like_turns(value):
        turns = plain_turns(value, notes)
        return turns if isinstance(turns, list) else []
    content = plain_content(value, notes)
    if isinstance(content, str):
        content, note = strip_answer(content, form)
        notes.update(note)
    return [{"role": "assistant", "content": content}]


def _turns_of_history(value: object, form: RecordFormat, notes: set[str]) -> list[object] | Flaw:
    """The turns before the question: pairs `[[question, answer], ...]`, or turns."""
    if value is None or value == "" or value == []:
        return []
    turns = plain_turns(value, notes) if looks_like_turns(value) else value
    if isinstance(turns, list):
        if all(isinstance(turn, Mapping) for turn in turns):
            return turns
        if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in turns):
            return [
                {"role": role, "content": content}
                for pair in turns
                for role, content in zip(("user", "assistant"), pair, strict=True)
            ]
    return Flaw(
        "history_not_pairs",
        _("`{column}` isn't a list of pairs of question and answer.").format(column=form.fields["history"]),
        _("Write it as {example}, or leave it empty.").format(example='[["question", "answer"], ...]'),
    )


def _column_flaw(record: object, form: RecordFormat) -> Flaw | None:
    """What is wrong with the text of a column, named by the column and not by the message that it would become."""
    if "answer" not in form.fields or not isinstance(record, Mapping):
        return None
    for part in ("system", "question", "context", "answer"):
        column = form.fields.get(part)
        value = _single(record.get(column)) if column is not None else None
        if column is None or value is None or (isinstance(value, list) and looks_like_turns(value)):
            continue
        value = plain_content(value, set())
        if not isinstance(value, str):
            what = _("`{column}` is {kind}, not text.").format(column=column, kind=kind_of(value))
            return Flaw("content_not_text", what, _("Write it as text."))
        if is_unfit(value):
            what = _("`{column}` has a NUL or half a character.").format(column=column)
            return Flaw("nul_character", what, _("Remove it; the text may have been cut or badly converted."))
        if part == "answer" or (part == "question" and _is_empty_text(record.get(form.fields.get("context", "")))):
            stripped, _note = strip_answer(value, form) if part == "answer" else strip_question(value, form)
            if not stripped.strip():
                what = _("`{column}` is empty.").format(column=column)
                return Flaw("content_empty", what, _("Write its text, or remove the row."))
    return None


def _column_missing(column: str) -> Flaw:
    return Flaw(
        "column_missing",
        _("The record has nothing in `{column}`.").format(column=column),
        _("Write its text into `{column}`, or remove the row.").format(column=column),
    )


def _unknown_columns(record: Mapping[str, object]) -> Flaw:
    names = ", ".join(str(name)[:40] for name in list(record)[:8]) or _("none")
    if {"role", "content"} <= record.keys():
        return Flaw(
            "no_messages",
            _("This is a single message, not a conversation."),
            _("Put all messages of one conversation into one line: {example}.").format(example='{"messages": [...]}'),
        )
    return Flaw(
        "unknown_columns",
        _("Which columns hold question and answer isn't known (the columns: {names}).").format(names=names),
        _("Say which column is the question and which the answer."),
    )


def _single(value: object) -> object:
    """A list of one text is that text."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else value


def _is_empty_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
