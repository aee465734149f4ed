"""Formats are recognised by looking at records, and records of each become the same conversation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain_datasets import FormatKind, RecordFormat
from backend.studio import plain_lines
from backend.studio.conversion import convert, converter
from backend.studio.format_words import describe_format
from backend.studio.formats import possible, recognise
from backend.studio.row_index import facts_of, line_of
from tests.unit.conversations import SHARED_DATA, needs_shared_data

Pairs = list[tuple[str, str]]


def said(record: object, form: RecordFormat) -> Pairs:
    found = convert(record, form)
    assert found.messages is not None, found.flaw
    return [(message.role, message.content) for message in found.messages]


def written(record: object) -> bytes:
    return json.dumps(record).encode()


QA = [("user", "Q"), ("assistant", "A")]
TURNS = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
SHAREGPT = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]


@pytest.mark.parametrize(
    ("record", "kind", "expected"),
    [
        ({"messages": TURNS}, FormatKind.MESSAGES, QA),
        ({"Messages ": TURNS}, FormatKind.MESSAGES, QA),
        ({"prompt": "Q", "prompt_id": "7", "messages": TURNS}, FormatKind.MESSAGES, QA),
        ({"prompt": "Q", "messages": TURNS, "chosen": TURNS, "rejected": TURNS}, FormatKind.MESSAGES, QA),
        ({"messages": json.dumps(TURNS)}, FormatKind.MESSAGES, QA),
        ({"messages": repr(TURNS)}, FormatKind.MESSAGES, QA),
        ({"messages": {"role": ["user", "assistant"], "content": ["Q", "A"]}}, FormatKind.MESSAGES, QA),
        ({"id": 1, "talk": TURNS}, FormatKind.MESSAGES, QA),
        ({"messages": [{"user": "Q"}, {"assistant": "A"}]}, FormatKind.MESSAGES, QA),
        ({"contents": [{"role": "user", "parts": [{"text": "Q"}]}, {"role": "model", "parts": [{"text": "A"}]}]},
         FormatKind.MESSAGES, QA),
        ({"uuid": "1", "name": "N", "account": {"uuid": "2"}, "chat_messages": [
            {"uuid": "3", "text": "Q", "content": [{"type": "text", "text": "Q"}], "sender": "human", "files": []},
            {"uuid": "4", "text": "A", "content": [{"type": "text", "text": "A"}], "sender": "assistant"},
        ]}, FormatKind.MESSAGES, QA),
        ({"conversations": SHAREGPT}, FormatKind.SHAREGPT, QA),
        ({"conversations": SHAREGPT, "system": "S"}, FormatKind.SHAREGPT, [("system", "S"), *QA]),
        ({"conversations": SHAREGPT, "system": " "}, FormatKind.SHAREGPT, QA),
        ({"conversations": [{"from": "system", "value": "S"}, *SHAREGPT], "system": "other"},
         FormatKind.SHAREGPT, [("system", "S"), *QA]),
        ({"instruction": "Q", "input": "", "output": "A"}, FormatKind.ALPACA, QA),
        ({"Instruction": "Q", "Input": None, "Output": "A"}, FormatKind.ALPACA, QA),
        ({"instruction": "Q", "input": "I", "output": "A", "system": "S", "history": [["1", "2"]]},
         FormatKind.ALPACA,
         [("system", "S"), ("user", "1"), ("assistant", "2"), ("user", "Q\n\nI"), ("assistant", "A")]),
        ({"instruction": "Q", "output": "A", "history": TURNS}, FormatKind.ALPACA, QA + QA),
        ({"instruction": "Q", "output": "A", "text": "### Instruction:\nQ\n### Response:\nA"}, FormatKind.ALPACA, QA),
        ({"instruction": "Q", "context": "C", "response": "A", "category": "x"}, FormatKind.INSTRUCTION_RESPONSE,
         [("user", "Q\n\nC"), ("assistant", "A")]),
        ({"prompt": "Q", "completion": "A"}, FormatKind.PROMPT_COMPLETION, QA),
        ({"prompt": "Q", "response": "A"}, FormatKind.PROMPT_COMPLETION, QA),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, FormatKind.PROMPT_COMPLETION, QA),
        ({"question": "Q", "answer": "A", "id": 5}, FormatKind.QUESTION_ANSWER, QA),
        ({"system_prompt": "S", "question": "Q", "response": "A"}, FormatKind.QUESTION_ANSWER, [("system", "S"), *QA]),
        ({"query": "Q", "response": "A"}, FormatKind.QUESTION_ANSWER, QA),
        ({"input": "Q", "output": "A"}, FormatKind.QUESTION_ANSWER, QA),
        ({"q": "Q", "a": "A"}, FormatKind.QUESTION_ANSWER, QA),
        ({"user": "Q", "assistant": "A"}, FormatKind.QUESTION_ANSWER, QA),
        ({"Frage": "Q", "Antwort": "A"}, FormatKind.QUESTION_ANSWER, QA),
        ({"问题": "Q", "回答": "A"}, FormatKind.QUESTION_ANSWER, QA),
        ({"input": "I", "question": "Q", "answer": ["A"]}, FormatKind.QUESTION_ANSWER,
         [("user", "Q\n\nI"), ("assistant", "A")]),
        ({"text": "Q", "ground_truth": "A"}, FormatKind.TEXT_GROUND_TRUTH, QA),
        ({"column 1": "Is it?", "column 2": "It is."}, FormatKind.TWO_COLUMNS,
         [("user", "Is it?"), ("assistant", "It is.")]),
        ({"text": "### Instruction:\nQ\n\n### Response:\nA"}, FormatKind.RENDERED, QA),
        ({"prompt": "Q", "chosen": "A", "rejected": "B"}, FormatKind.PREFERENCE, QA),
        ({"prompt": "Q", "chosen": "A", "rejected": "B", "score_chosen": 8, "id": "1"}, FormatKind.PREFERENCE, QA),
        ({"system": "S", "question": "Q", "chosen": "A", "rejected": "B"}, FormatKind.PREFERENCE,
         [("system", "S"), *QA]),
        ({"instruction": "Q", "input": "I", "chosen": "A", "rejected": "B"}, FormatKind.PREFERENCE,
         [("user", "Q\n\nI"), ("assistant", "A")]),
        ({"prompt": "Q", "chosen": TURNS, "rejected": [*TURNS[:1], {"role": "assistant", "content": "B"}]},
         FormatKind.PREFERENCE, QA),
        ({"chosen": TURNS, "rejected": TURNS}, FormatKind.PREFERENCE, QA),
        ({"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": [{"role": "assistant", "content": "B"}]},
         FormatKind.PREFERENCE, QA),
        ({"prompt": [{"role": "system", "content": "S"}, *TURNS[:1]], "chosen": TURNS[1:], "rejected": TURNS[1:]},
         FormatKind.PREFERENCE, [("system", "S"), *QA]),
        ({"conversations": SHAREGPT[:1], "chosen": SHAREGPT[1], "rejected": {"from": "gpt", "value": "B"}},
         FormatKind.PREFERENCE, QA),
        ({"conversations": [*SHAREGPT, *SHAREGPT[:1]], "chosen": SHAREGPT[1], "rejected": SHAREGPT[1]},
         FormatKind.PREFERENCE, QA + QA),
        ({"chosen": "\n\nHuman: Q\n\nAssistant: A", "rejected": "\n\nHuman: Q\n\nAssistant: B"},
         FormatKind.PREFERENCE, QA),
    ],
)  # fmt: skip
def test_a_format_that_is_plain_is_recognised_without_a_question(
    record: object, kind: FormatKind, expected: Pairs
) -> None:
    form = recognise([record])
    assert (form.kind, form.is_sure) == (kind, True)
    assert said(record, form) == expected
    assert describe_format(form)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"prompt": "Q", "chosen": "A"}, QA),
        ({"prompt": "Q", "question": "Other", "chosen": "A", "rejected": "B"}, None),
        ({"prompt": "Q", "answer": "A", "chosen": "B", "rejected": "C"}, None),
        ({"foo": "Q", "bar": "A"}, QA),
        ({"column 1": "Q", "column 2": "A"}, QA),
        ({"dialogue": "Q", "summary": "A", "id": "1"}, QA),
        ({"text": "Q", "label": "A"}, QA),
        ({"question": "Q", "answer": "A", "prompt": "P", "completion": "C"}, None),
        ({"question": "Q", "answer": "A", "response": "B"}, None),
        ({"talk": TURNS, "other": TURNS}, QA),
        ({"context": "Q", "response": "A"}, QA),
    ],
)
def test_where_it_is_a_guess_a_person_is_asked(record: object, expected: Pairs | None) -> None:
    form = recognise([record])
    assert not form.is_sure
    assert form.columns == tuple(record)  # type: ignore[arg-type]
    if expected:
        assert said(record, form) == expected


@pytest.mark.parametrize(
    "records", [[], [1, "x", None], [{}], [{"a": 1}], [{"text": "only prose"}], [[]], [{"question": "Q"}]]
)
def test_what_has_no_answers_is_unknown(records: list[object]) -> None:
    form = recognise(records)
    assert (form.kind, form.is_sure) == (FormatKind.UNKNOWN, False)
    assert describe_format(form)


def test_the_readings_that_make_sense_are_ranked() -> None:
    readings = possible([{"question": "Q", "answer": "A", "prompt": "P", "completion": "C"}])
    assert {(one.fields["question"], one.fields["answer"]) for one in readings} >= {
        ("question", "answer"),
        ("prompt", "completion"),
    }
    assert [one.fields["question"] for one in possible([{"foo": "Q", "bar": "A"}])] == ["foo", "bar"]


def test_a_column_that_is_empty_at_first_is_still_taken_later() -> None:
    form = recognise([{"instruction": "Q", "input": "", "output": "A"}] * 200)
    assert said({"instruction": "Q", "input": "I", "output": "A"}, form) == [("user", "Q\n\nI"), ("assistant", "A")]


def test_broken_rows_among_the_first_do_not_hide_the_format() -> None:
    form = recognise([None, {"messages": None}, {"messages": "x"}, {"messages": TURNS}, {"other": 1}])
    assert (form.kind, form.is_sure, form.fields) == (FormatKind.MESSAGES, True, {"messages": "messages"})
    assert recognise([{"messages": None}]).kind is FormatKind.MESSAGES


@pytest.mark.parametrize(
    ("prompt", "completion", "notes"),
    [
        ("Q\n\n###\n\n", " A END", {"separator_stripped", "ending_stripped", "leading_space_stripped"}),
        ("Q ->", " A###", {"separator_stripped", "ending_stripped", "leading_space_stripped"}),
        ("Q", "A<|endoftext|>", {"ending_stripped"}),
        ("Q", "A</s>\n", {"ending_stripped"}),
        ("Q", "A END<|endoftext|>", {"ending_stripped"}),
        ("Q", "A", set()),
    ],
)
def test_endings_are_stripped_and_said(prompt: str, completion: str, notes: set[str]) -> None:
    records = [{"prompt": prompt, "completion": completion}] * 3
    form = recognise(records)
    assert form.is_sure
    assert said(records[0], form) == QA
    assert set(convert(records[0], form).notes) == notes


def test_a_mark_that_only_few_texts_end_with_is_their_own() -> None:
    records = [{"prompt": "Q", "completion": "A"}] * 5 + [{"prompt": "Use ->", "completion": "THE END"}]
    assert said(records[-1], recognise(records)) == [("user", "Use ->"), ("assistant", "THE END")]


@pytest.mark.parametrize(
    ("turns", "expected", "note"),
    [
        ([{"role": "human", "content": "Q"}, {"role": "gpt", "content": "A"}], QA, "roles_renamed"),
        ([{"role": "User", "content": "Q"}, {"role": "bot", "content": "A"}], QA, "roles_renamed"),
        ([{"role": "user", "content": "Q"}, {"role": "model", "content": "A"}], QA, "roles_renamed"),
        ([{"role": "user", "content": [{"type": "text", "text": "Q"}, {"type": "text", "text": "R"}]}, TURNS[1]],
         [("user", "Q\nR"), ("assistant", "A")], "parts_joined"),
        ([{"role": "system", "content": ""}, *TURNS], QA, "empty_system_left_out"),
    ],
)  # fmt: skip
def test_dialects_of_messages_are_taken_and_said(turns: list[object], expected: Pairs, note: str) -> None:
    form = recognise([{"messages": turns}])
    assert form.is_sure
    assert said({"messages": turns}, form) == expected
    assert note in convert({"messages": turns}, form).notes


@pytest.mark.parametrize(
    ("record", "code", "named"),
    [
        ({"instruction": "Q", "input": "", "output": ""}, "content_empty", "output"),
        ({"instruction": " ", "input": "", "output": "A"}, "content_empty", "instruction"),
        ({"instruction": "Q", "input": "", "output": 7}, "content_not_text", "output"),
        ({"instruction": "Q", "input": {"a": 1}, "output": "A"}, "content_not_text", "input"),
        ({"instruction": "Q", "input": "", "output": None}, "column_missing", "output"),
        ({"instruction": "Q", "input": ""}, "column_missing", "output"),
        ({"instruction": "Q\x00", "input": "", "output": "A"}, "nul_character", "instruction"),
        ({"instruction": "Q", "output": "A", "history": "x"}, "history_not_pairs", "history"),
        ([1], "not_an_object", ""),
    ],
)
def test_a_flaw_names_the_column(record: object, code: str, named: str) -> None:
    form = recognise([{"instruction": "Q", "input": "I", "output": "A", "history": [["q", "a"]]}] * 2)
    flaw = convert(record, form).flaw
    assert flaw is not None and flaw.code == code
    assert named in flaw.message and flaw.fix


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "kind", "good"),
    [
        ("samsum_chat_train.jsonl", FormatKind.MESSAGES, 79),
        ("samsum_chat_validation.jsonl", FormatKind.MESSAGES, 21),
        ("assistant_dialogs.jsonl", FormatKind.MESSAGES, 128),
        ("alpaca_en_demo.json", FormatKind.ALPACA, 999),
    ],
)
def test_real_data_is_recognised_and_taken_whole(name: str, kind: FormatKind, good: int) -> None:
    text = (SHARED_DATA / name).read_text()
    records = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    form = recognise(records)
    assert (form.kind, form.is_sure) == (kind, True)
    found = [convert(record, form) for record in records]
    assert sum(one.messages is not None for one in found) == good == len(records)
    assert not any(one.notes for one in found)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda text: (
        text == text.strip() and text.isprintable() and not set(text) & set("#<>[]{}-=*~|'\"\\:") and text != "END"
    )
)
EXCHANGES = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3)


def as_messages(system: str, pairs: Pairs) -> Pairs:
    turns = [turn for question, answer in pairs for turn in (("user", question), ("assistant", answer))]
    return [("system", system), *turns] if system else turns


def write_in(kind: str, system: str, pairs: Pairs) -> dict[str, object]:
    """The conversation as a record of a format."""
    turns = as_messages("", pairs)
    (question, answer), history = pairs[-1], [list(pair) for pair in pairs[:-1]]
    roles = {"user": "human", "assistant": "gpt"}
    if kind == "messages":
        return {"messages": [{"content": text, "role": role} for role, text in as_messages(system, pairs)], "id": 1}
    if kind == "parts":
        parts = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
        return {"messages": [{"role": "system", "content": system}, *parts]}
    if kind == "json text":
        return {"messages": json.dumps([{"role": role, "content": text} for role, text in as_messages(system, pairs)])}
    if kind == "sharegpt":
        return {"conversations": [{"from": roles[role], "value": text} for role, text in turns], "system": system}
    if kind == "alpaca":
        return {"instruction": question, "input": "", "output": answer, "system": system, "history": history}
    if kind == "prompt":
        return {
            "prompt": question + "\n\n###\n\n",
            "completion": f" {answer} END",
            "system": system,
            "history": history,
        }
    if kind == "question":
        return {"Question": question, "Answer": answer, "System Prompt": system, "history": history or None}
    if kind == "im_start":
        marked = (f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in as_messages(system, pairs))
        return {"text": "".join(marked)}
    if kind == "phi":
        return {"text": "".join(f"<|{role}|>\n{text}<|end|>\n" for role, text in as_messages(system, pairs))}
    blocks = [f"[INST] {question} [/INST] {answer} </s>" for question, answer in pairs]
    return {
        "text": "<s>" + "<s>".join(blocks).replace("[INST] ", f"[INST] <<SYS>>\n{system}\n<</SYS>>\n\n", bool(system))
    }


KINDS = ["messages", "parts", "json text", "sharegpt", "alpaca", "prompt", "question", "im_start", "phi", "inst"]


@given(st.sampled_from(KINDS), st.just("") | WORDS, EXCHANGES)
def test_a_conversation_written_in_any_format_is_read_back_equal(kind: str, system: str, pairs: Pairs) -> None:
    record = write_in(kind, system, pairs)
    form = recognise([record])
    assert form.is_sure, form
    assert said(record, form) == as_messages(system, pairs)


NAMES = ["messages", "conversations", "role", "content", "from", "value", "instruction", "input", "output", "text"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["user", "gpt"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "system", "history"]), inner, max_size=4)
    ),
    max_leaves=14,
)


@given(st.lists(JSON, min_size=1, max_size=4))
def test_no_record_makes_recognition_or_conversion_fail(records: list[object]) -> None:
    for form in [*possible(records), recognise(records)]:
        to_line, to_messages = plain_lines.reader(form), converter(form)
        for record in records:
            found = to_messages(record)
            assert (found.messages is None) != (found.flaw is None)
            if found.messages is not None:
                roles = [message.role for message in found.messages if message.role != "system"]
                assert roles and roles == ["user", "assistant"] * (len(roles) // 2)
            line = to_line(memoryview(written(record))) if to_line else None
            if line is not None:
                assert found.messages is not None and not found.notes
                assert line[:2] == (line_of(found.messages), facts_of(line.line))


def test_of_many_columns_the_longest_texts_are_offered_and_a_person_is_asked() -> None:
    tickets = [
        {
            "Ticket No": str(1000 + number),
            "Opened": f"2024-01-{10 + number}",
            "Department": "Sales",
            "Customer wrote": f"My order {number} has not come yet. What can I do?",
            "We replied": f"We are sorry. Order {number} left our house yesterday and should be there tomorrow.",
        }
        for number in range(9)
    ]
    form = recognise(tickets)
    assert (dict(form.fields), form.is_sure) == ({"question": "Customer wrote", "answer": "We replied"}, False)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system", "tool"]), st.text(max_size=3)), max_size=5))
def test_the_quick_way_agrees_with_the_close_look(turns: Pairs) -> None:
    record = {"messages": [{"role": role, "content": text} for role, text in turns]}
    form = RecordFormat(FormatKind.MESSAGES, {"messages": "messages"})
    to_line = plain_lines.reader(form)
    assert to_line is not None
    line, found = to_line(memoryview(written(record))), converter(form)(record)
    if line is not None:
        assert found.messages is not None and line[:2] == (line_of(found.messages), facts_of(line.line))
    elif found.messages is not None:
        assert found.notes == ("empty_system_left_out",)
