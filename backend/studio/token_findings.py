"""What a maximum length and a chat template do to the rows, in words, and the conversations made shorter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from backend.domain import Message
from backend.domain_datasets import Finding, FoundRow, Severity
from backend.i18n import _, ngettext
from backend.studio.token_table import CutReport, RowLength, TokenTable

if TYPE_CHECKING:
    import numpy as np

TEMPLATE_REFUSES = "template_refuses"
NO_TRAINABLE_TOKENS = "no_trainable_tokens"
ANSWERS_CUT = "answers_cut"
OVER_LONG = "over_long"
CODES = (TEMPLATE_REFUSES, NO_TRAINABLE_TOKENS, ANSWERS_CUT, OVER_LONG)
SHOWN = 1000


def findings(table: TokenTable, max_length: int) -> tuple[Finding, ...]:
    """What spoils a training most comes first. Of a sample, counts are estimates and no rows are named.

    `over_long` has every row longer than the maximum length, also those of `answers_cut`: Fix does the same to both.
    """
    report = table.cut(max_length)
    found = (
        _refused(table),
        _nothing_to_learn(table, report),
        _answers_cut(table, report),
        _over_long(table, report),
    )
    return tuple(finding for finding in found if finding.count)


def rows_of(code: str, table: TokenTable, max_length: int) -> Mapping[str, np.ndarray]:
    """The numbers of all rows of a finding, by part."""
    if code == TEMPLATE_REFUSES:
        return {part.name: part.refused for part in table.parts}
    report = table.cut(max_length)
    return {NO_TRAINABLE_TOKENS: report.without_trainable, ANSWERS_CUT: report.cut, OVER_LONG: report.too_long}[code]


def apply_length_fix(messages: Sequence[Message], row: RowLength, max_length: int) -> tuple[Message, ...] | None:
    """Without its oldest exchanges, as few as needed for `max_length`; a system message at the beginning stays.

    `row` is the row's entry of the table. None where even the last exchange alone doesn't fit: then it can only be
    left out, or the maximum length be raised.
    """
    if row.total <= max_length:
        return tuple(messages)
    answers = [place for place, message in enumerate(messages) if message.role == "assistant"]
    first = 1 if messages and messages[0].role == "system" else 0
    for place, (_start, end) in zip(answers[:-1], row.spans[:-1], strict=False):
        # What went is all between the opening and the end of this answer.
        if row.total - max(0, end - row.opening) <= max_length:
            return (*messages[:first], *messages[place + 1 :])
    return None


def _refused(table: TokenTable) -> Finding:
    rows = table.refused()
    return Finding(
        code=TEMPLATE_REFUSES,
        severity=Severity.REFUSED,
        title=_("The model's chat template refuses them"),
        effect=_("The run would stop at the first of these rows."),
        count=round(sum(len(part.refused) for part in table.parts) * table.scale),
        rows=() if table.is_estimate else tuple(_row(part, number, why) for part, number, why in islice(rows, SHOWN)),
        skip=_("Leaves these rows out."),
        advice=_(
            "Many models want user and assistant in turn, and some know no system message. Or choose another model."
        ),
    )


def _nothing_to_learn(table: TokenTable, report: CutReport) -> Finding:
    return Finding(
        code=NO_TRAINABLE_TOKENS,
        severity=Severity.REFUSED,
        title=_("Nothing to learn within the maximum length"),
        effect=_(
            "Their answers begin after the first {length} tokens: the training would learn nothing from them."
        ).format(length=_number(report.max_length)),
        count=report.rows_without_trainable,
        rows=_rows(table, report.without_trainable, report.max_length),
        fix=_how_it_is_fixed(),
        skip=_("Leaves these rows out."),
        advice=_raise_the_length(table, report.max_length),
    )


def _answers_cut(table: TokenTable, report: CutReport) -> Finding:
    answers = ngettext("{count} answer is cut off", "{count} answers are cut off", report.answers_cut)
    learnt = max(1, table.answer_tokens())
    return Finding(
        code=ANSWERS_CUT,
        severity=Severity.WARNING,
        title=answers.format(count=_number(report.answers_cut)),
        effect=_(
            "{tokens} of {all} answer tokens ({share}) are not learnt, and the model doesn't see how these answers end."
        ).format(
            tokens=_number(report.answer_tokens_cut),
            all=_number(learnt),
            share=_percent(report.answer_tokens_cut / learnt),
        ),
        count=round(sum(map(len, report.cut.values())) * table.scale),
        rows=_rows(table, report.cut, report.max_length),
        fix=_how_it_is_fixed(),
        skip=_("Leaves these rows out."),
        advice=_raise_the_length(table, report.max_length),
        figures={
            "answers_cut": report.answers_cut,
            "answer_tokens_cut": report.answer_tokens_cut,
            "answer_tokens": learnt,
            "max_length": report.max_length,
        },
    )


def _over_long(table: TokenTable, report: CutReport) -> Finding:
    return Finding(
        code=OVER_LONG,
        severity=Severity.WARNING if report.answers_cut else Severity.HINT,
        title=_("Longer than {length} tokens").format(length=_number(report.max_length)),
        effect=_("What comes after {length} tokens is cut off before the training.").format(
            length=_number(report.max_length)
        ),
        count=report.rows_too_long,
        rows=_rows(table, report.too_long, report.max_length),
        fix=_how_it_is_fixed(),
        skip=_("Leaves these rows out."),
        advice=_raise_the_length(table, report.max_length),
        figures={"max_length": report.max_length, "suggestion": table.suggestion()},
    )


def _how_it_is_fixed() -> str:
    return _("Leaves out the oldest turns of each until it fits. Rows whose last exchange alone is too long stay.")


def _raise_the_length(table: TokenTable, max_length: int) -> str:
    suggestion = table.suggestion()
    if suggestion > max_length:
        return _("A maximum length of {length} tokens keeps nearly all answers whole. It takes more memory.").format(
            length=_number(suggestion)
        )
    if not table.context or max_length < table.context:
        return _(
            "Choose a longer maximum length, which takes more memory; or shorten these conversations, or divide each "
            "into several examples."
        )
    return _("Shorten these conversations, or divide each into several examples.")


def _rows(table: TokenTable, numbers: Mapping[str, np.ndarray], max_length: int) -> tuple[FoundRow, ...]:
    if table.is_estimate:
        return ()
    return tuple(islice(_each(table, numbers, max_length), SHOWN))


def _each(table: TokenTable, numbers: Mapping[str, np.ndarray], max_length: int) -> Iterator[FoundRow]:
    for part, found in numbers.items():
        for number in found.tolist():
            row = table.row(part, number)
            lost = sum(end - max(start, max_length) for start, end in row.spans if end > max_length)
            words = _("{tokens} tokens; {lost} answer tokens are cut off") if lost else _("{tokens} tokens")
            yield _row(part, number, words.format(tokens=_number(row.total), lost=_number(lost)))


def _row(part: str, number: int, detail: str) -> FoundRow:
    return FoundRow(file="", line=number + 1, detail=detail, part=part, number=number)


def _number(value: int) -> str:
    return f"{value:,}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"
