"""Which format records have, told by looking at the first of them: names of columns, and what is in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from backend.domain_datasets import FormatKind, RecordFormat
from backend.studio import column_names as names
from backend.studio.column_names import bare
from backend.studio.endings import answer_ending, question_ending
from backend.studio.rendered_chat import read_rendered
from backend.studio.turns import has_question, looks_like_turns, plain_turns, turn_dialect

MAX_LOOKED_AT = 200
MAX_COLUMNS = 2_000
UNKNOWN = RecordFormat(FormatKind.UNKNOWN, is_sure=False)


def recognise(records: Sequence[object]) -> RecordFormat:
    """The format of the records, looking at the first 200. `is_sure` is False where a person should look."""
    found = possible(records)
    return found[0] if found else UNKNOWN


def possible(records: Sequence[object]) -> Sequence[RecordFormat]:
    """Every reading that makes sense, the best first; more than one that is equally good makes none of them sure."""
    looked_at = [record for record in records[:MAX_LOOKED_AT] if isinstance(record, Mapping)]
    if not looked_at:
        if any(looks_like_turns(record) for record in records[:MAX_LOOKED_AT]):
            return [RecordFormat(FormatKind.MESSAGES, {"messages": "messages"}, ("messages",))]
        return []
    columns = _look_at_columns(looked_at)
    found = [
        *_preferences(columns),
        *_conversations(columns),
        *_pairs(columns),
        *_rendered(columns),
        *_two_texts(columns),
    ]
    every = tuple(column.name for column in columns)
    if not found:
        return [replace(UNKNOWN, columns=every)]
    distinct: list[RecordFormat] = []
    for one in found:
        if all(one.fields != other.fields for other in distinct):
            distinct.append(replace(one, columns=every))
    return distinct


@dataclass(frozen=True)
class _Column:
    """A column as seen in the records looked at. `filled` is the share of them that has a value there. It
    `is_whole` where its turns have questions too, and `is_answered` where they end with an answer.
    """

    name: str
    bare: str
    filled: float
    texts: tuple[str, ...]
    is_text: bool
    is_turns: bool
    is_whole: bool
    is_answered: bool
    dialect: str


def _look_at_columns(records: Sequence[Mapping[str, object]]) -> list[_Column]:
    values: dict[str, list[object]] = {}
    for record in records:
        for name, value in record.items():
            if name in values:
                values[name].append(value)
            elif isinstance(name, str) and len(values) < MAX_COLUMNS:
                values[name] = [value]
    return [_look_at_column(name, found, len(records)) for name, found in values.items()]


def _look_at_column(name: str, values: list[object], records: int) -> _Column:
    present = [value for value in values if value is not None and value != ""]
    texts = tuple(value for value in present if isinstance(value, str))
    turns = [value for value in present[:20] if looks_like_turns(value)]
    return _Column(
        name=name,
        bare=bare(name),
        filled=len(present) / records,
        texts=texts,
        is_text=len(texts) * 2 > len(present),
        is_turns=len(turns) * 2 > min(len(present), 20),
        is_whole=any(has_question(value) for value in turns),
        is_answered=any(_ends_with_answer(value) for value in turns),
        dialect=turn_dialect(turns[0]) if turns else "messages",
    )


def _ends_with_answer(turns: object) -> bool:
    plain = plain_turns(turns, set())
    return isinstance(plain, list) and isinstance(plain[-1], Mapping) and plain[-1].get("role") == "assistant"


def _preferences(columns: Sequence[_Column]) -> list[RecordFormat]:
    """A better and a worse answer to one question, where no other column may be the conversation or the answer.

    The better one is a whole conversation (also as a text), or an answer beside its question or the turns before it.
    """
    chosen, rejected = _first(columns, names.CHOSEN), _first(columns, names.REJECTED)
    if chosen is None or rejected is None:
        return []
    others = [column for column in columns if column not in (chosen, rejected)]
    if _all(_answering(others), names.ANSWERS) or any(
        column.is_answered and column.bare in names.MESSAGES for column in others
    ):
        return []
    if chosen.is_whole:
        system = _first(columns, names.SYSTEM)
        fields = {"messages": chosen.name} | ({"system": system.name} if system else {})
        return [RecordFormat(FormatKind.PREFERENCE, fields)]
    asking = [column for column in others if column.is_turns and column.bare in names.MESSAGES]
    asking = asking or _all(others, names.QUESTIONS)
    if len(asking) > 1:
        asking = [column for column in asking if column.bare not in ("input", "source")] or asking
    if not asking:
        is_read = _rendered([chosen])
        return [RecordFormat(FormatKind.PREFERENCE, {"messages": chosen.name})] if is_read else []
    is_clear = len(asking) == 1
    return [
        replace(_pair(FormatKind.PREFERENCE, one, chosen, (*names.CONTEXT, "input"), columns), is_sure=is_clear)
        for one in asking
    ]


def _conversations(columns: Sequence[_Column]) -> list[RecordFormat]:
    """Columns that hold whole conversations, the one with the known name first."""
    system = _first(columns, names.SYSTEM)
    rank = {name: place for place, name in enumerate(names.MESSAGES)}
    is_pair = bool(_all(columns, names.QUESTIONS) and _all(_answering(columns), names.ANSWERS))
    held = [
        column
        for column in columns
        if column.is_turns and column.bare != "rejected" and (column.bare in names.MESSAGES or not is_pair)
    ]
    held.sort(key=lambda column: rank.get(column.bare, len(rank)))
    if not held:
        if any(column.bare in names.QUESTIONS for column in columns if column.filled):
            return []
        held = [column for column in columns if column.bare in names.MESSAGES[:2]]
    is_sure = bool(held) and (held[0].bare in names.MESSAGES or len(held) == 1) and held[0].bare != "chosen"
    return [
        RecordFormat(
            FormatKind.SHAREGPT if _is_sharegpt(column) else FormatKind.MESSAGES,
            {"messages": column.name} | ({"system": system.name} if system else {}),
            is_sure=is_sure and place == 0,
        )
        for place, column in enumerate(held)
    ]


def _is_sharegpt(column: _Column) -> bool:
    return column.dialect == "sharegpt" or (not column.is_turns and column.bare == "conversations")


def _pairs(columns: Sequence[_Column]) -> list[RecordFormat]:
    """Columns of questions and answers: the named pairs first, then by the names, then guesses."""
    found = []
    for kind, question_names, answer_names, context_names in names.PAIRS:
        question, answer = _first(columns, question_names), _first(_answering(columns), answer_names)
        if question and answer:
            found.append(_pair(kind, question, answer, context_names, columns))
    if found:
        is_clear = len(_all(columns, names.RIVALS)) <= 2
        return [replace(one, is_sure=is_clear) for one in found]
    questions, answers = _all(columns, names.QUESTIONS), _all(_answering(columns), names.ANSWERS)
    if len(questions) > 1 and any(question.bare != "input" for question in questions):
        questions = [question for question in questions if question.bare not in ("input", "source")] or questions
    answers = [answer for answer in answers if answer not in questions]
    is_clear = len(questions) == 1 and len(answers) == 1 and answers[0].bare != "chosen"
    contexts = (*names.CONTEXT, "input")
    if questions and answers:
        return [
            replace(_pair(FormatKind.QUESTION_ANSWER, question, answer, contexts, columns), is_sure=is_clear)
            for question in questions
            for answer in answers
        ]
    questions = questions or _all(columns, names.GUESSED_QUESTIONS) or _all(columns, names.CONTEXT)
    answers = answers or [one for one in _all(columns, names.GUESSED_ANSWERS) if one not in questions]
    return [
        replace(_pair(FormatKind.QUESTION_ANSWER, question, answer, contexts, columns), is_sure=False)
        for question in questions
        for answer in answers
        if question != answer
    ]


def _pair(
    kind: FormatKind, question: _Column, answer: _Column, context_names: Sequence[str], columns: Sequence[_Column]
) -> RecordFormat:
    fields = {"question": question.name, "answer": answer.name}
    taken = {question.name, answer.name}
    for part, known in (("context", context_names), ("system", names.SYSTEM), ("history", names.HISTORY)):
        # A column that is empty in the rows looked at may be filled in a later one.
        column = next((one for name in known for one in columns if one.bare == name and one.name not in taken), None)
        if column is not None:
            fields[part] = column.name
            taken.add(column.name)
    is_prompt = kind is FormatKind.PROMPT_COMPLETION
    return RecordFormat(
        kind,
        fields,
        question_ending=question_ending(question.texts) if is_prompt else "",
        answer_ending=answer_ending(answer.texts) if is_prompt else "",
    )


def _rendered(columns: Sequence[_Column]) -> list[RecordFormat]:
    """Text columns in which a chat template has written whole conversations."""
    found = []
    for column in columns:
        looked_at = column.texts[:20]
        if column.is_text and looked_at:
            read = sum(read_rendered(text[:100_000]) is not None for text in looked_at)
            if read * 5 >= len(looked_at) * 4:
                found.append(RecordFormat(FormatKind.RENDERED, {"messages": column.name}))
    return [replace(one, is_sure=len(found) == 1) for one in found]


def _two_texts(columns: Sequence[_Column]) -> list[RecordFormat]:
    """Two text columns whose names say nothing: the first asks, the second answers; sure only when it looks so.

    Of more than two the ones with the longest texts: numbers, dates and names stand beside what people wrote.
    """
    texts = [column for column in columns if column.is_text and column.filled and column.bare not in names.IGNORED]
    if len(texts) < 2:
        return []
    longest = sorted(texts, key=lambda column: -sum(map(len, column.texts)) / len(column.texts))[:2]
    first, second = (column for column in texts if column in longest)
    asks = [sum(text.rstrip().endswith(("?", "？")) for text in column.texts) for column in (first, second)]
    is_clear = len(columns) == 2 and asks[0] * 2 >= len(first.texts) and asks[1] * 4 < len(second.texts)
    form = RecordFormat(FormatKind.TWO_COLUMNS, {"question": first.name, "answer": second.name}, is_sure=is_clear)
    turned = replace(form, fields={"question": second.name, "answer": first.name}, is_sure=False)
    return [form, turned]


def _answering(columns: Sequence[_Column]) -> list[_Column]:
    """The columns that may be an answer: a conversation that has its questions is none."""
    return [column for column in columns if not column.is_whole]


def _first(columns: Sequence[_Column], known: Sequence[str]) -> _Column | None:
    return next(iter(_all(columns, known)), None)


def _all(columns: Sequence[_Column], known: Sequence[str]) -> list[_Column]:
    """The columns with a value somewhere whose names are known, in the order of `known`."""
    by_name = {column.bare: column for column in reversed(columns) if column.filled}
    return [by_name[name] for name in known if name in by_name]
