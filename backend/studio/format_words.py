"""A format in one plain sentence, as the page says it above the examples."""

from __future__ import annotations

from collections.abc import Mapping

from backend.domain_datasets import FormatKind, RecordFormat
from backend.i18n import _

PART_TITLES: Mapping[str, str] = {
    "messages": _("Whole conversation"),
    "question": _("Question"),
    "answer": _("Answer"),
    "system": _("System message"),
    "context": _("Added to the question"),
    "history": _("Earlier turns"),
}
"""What a column can hold, for the form in which a person chooses."""

_TITLES: Mapping[FormatKind, str] = {
    FormatKind.MESSAGES: _("Messages"),
    FormatKind.SHAREGPT: _("ShareGPT"),
    FormatKind.ALPACA: _("Alpaca"),
    FormatKind.INSTRUCTION_RESPONSE: _("Instruction and response"),
    FormatKind.PROMPT_COMPLETION: _("Prompt and completion"),
    FormatKind.QUESTION_ANSWER: _("Question and answer"),
    FormatKind.TEXT_GROUND_TRUTH: _("Text and ground truth"),
    FormatKind.PREFERENCE: _("Better and worse answers"),
    FormatKind.TWO_COLUMNS: _("Two columns"),
    FormatKind.RENDERED: _("Chat template text"),
    FormatKind.MAPPED: _("Your choice of columns"),
    FormatKind.UNKNOWN: _("Unknown"),
}


def title_of(kind: FormatKind) -> str:
    return _TITLES[kind]


def describe_format(form: RecordFormat) -> str:
    """What was recognised, such as "Alpaca: the question is in instruction, with input added, the answer in output"."""
    fields = form.fields
    if form.kind is FormatKind.UNKNOWN:
        return _("It isn't clear which columns hold question and answer.")
    title = title_of(form.kind)
    if form.kind is FormatKind.PREFERENCE:
        return _describe_preference(title, fields)
    if form.kind is FormatKind.RENDERED:
        return _("{format}: the column {column} holds whole conversations as text.").format(
            format=title, column=fields.get("messages", "")
        )
    if "messages" in fields:
        return _("{format}: the column {column} holds whole conversations.").format(
            format=title, column=fields["messages"]
        )
    if "context" in fields:
        return _("{format}: the question is in {question} and {context}, the answer in {answer}.").format(
            format=title,
            question=fields.get("question", ""),
            context=fields["context"],
            answer=fields.get("answer", ""),
        )
    return _("{format}: the question is in {question}, the answer in {answer}.").format(
        format=title, question=fields.get("question", ""), answer=fields.get("answer", "")
    )


def _describe_preference(title: str, fields: Mapping[str, str]) -> str:
    if "messages" in fields:
        return _("{format}: the better conversation is in {column} and is learnt, the worse one is left out.").format(
            format=title, column=fields["messages"]
        )
    return _(
        "{format}: the question is in {question}, the better answer in {answer} is learnt, the worse one is left out."
    ).format(format=title, question=fields.get("question", ""), answer=fields.get("answer", ""))
