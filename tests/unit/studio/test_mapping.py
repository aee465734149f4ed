"""A person's choice of columns: checked, and remembered for files with the same columns."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain_datasets import FormatKind, RecordFormat
from backend.errors import BadInput
from backend.studio.conversion import convert
from backend.studio.formats import UNKNOWN
from backend.studio.mapping import Mappings, map_columns, mapping_for, with_mapping, without_mapping


def mapping(**fields: str) -> RecordFormat:
    return map_columns(fields, ("ticket", "reply", "notes"))


def test_a_choice_converts_records() -> None:
    form = mapping(question="ticket", answer="reply", context="notes", system="")
    assert (form.kind, form.is_sure) == (FormatKind.MAPPED, True)
    found = convert({"ticket": "Q", "reply": "A", "notes": "N"}, form)
    assert found.messages is not None and [one.content for one in found.messages] == ["Q\n\nN", "A"]


def test_marks_at_the_end_are_seen_in_the_records() -> None:
    records = [{"ticket": "Q ->", "reply": "A END"}] * 3
    form = map_columns({"question": "ticket", "answer": "reply"}, ("ticket", "reply"), records)
    found = convert(records[0], form)
    assert found.messages is not None and [one.content for one in found.messages] == ["Q", "A"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "incomplete_mapping"),
        ({"question": "ticket"}, "incomplete_mapping"),
        ({"question": "ticket", "answer": ""}, "incomplete_mapping"),
        ({"question": "ticket", "answer": "ticket"}, "column_twice"),
        ({"question": "ticket", "answer": "nothing"}, "unknown_column"),
        ({"question": "ticket", "reply": "reply"}, "unknown_part"),
        ({"messages": "ticket", "answer": "reply"}, "two_ways"),
    ],
)
def test_a_choice_that_makes_no_conversation_is_refused_in_words(fields: dict[str, str], code: str) -> None:
    with pytest.raises(BadInput) as refused:
        map_columns(fields, ("ticket", "reply"))
    assert refused.value.code == code
    assert refused.value.what and refused.value.how_to_fix


def said(columns: str, question: str, answer: str) -> RecordFormat:
    """`columns` has a letter for each."""
    return map_columns({"question": question, "answer": answer}, tuple(columns))


def unclear(columns: str) -> RecordFormat:
    return replace(UNKNOWN, columns=tuple(columns))


def test_each_file_takes_the_mapping_made_for_its_columns() -> None:
    one, other = said("ab", "a", "b"), said("cd", "d", "c")
    assert mapping_for(unclear("ba"), [one, other]) == one
    assert mapping_for(unclear("cd"), [one, other]) == other
    assert mapping_for(unclear("ac"), [one, other]) is None
    narrow, wide = said("ab", "a", "b"), said("abc", "c", "a")
    for mappings in ([narrow, wide], [wide, narrow]):
        assert mapping_for(unclear("ab"), mappings) == narrow
        assert mapping_for(unclear("abc"), mappings) == wide
        assert mapping_for(unclear("abcd"), mappings) == wide, "the columns that are most alike"
    assert mapping_for(unclear("abcd"), [narrow]) == narrow


def test_a_file_that_is_clear_is_read_otherwise_only_where_its_very_columns_were_meant() -> None:
    clear = RecordFormat(FormatKind.MESSAGES, {"messages": "m"}, ("m", "a", "b"))
    assert mapping_for(clear, [said("ab", "a", "b")]) is None
    meant = said("bma", "a", "b")
    assert mapping_for(clear, [said("ab", "a", "b"), meant]) == meant
    of_any_file = said("", "a", "b")
    assert mapping_for(clear, [of_any_file]) == of_any_file
    assert mapping_for(unclear("ac"), [of_any_file]) is None


LETTERS = st.sets(st.sampled_from("abcdef"), min_size=2).map(lambda names: "".join(sorted(names)))


@given(LETTERS, st.lists(LETTERS, max_size=5), st.booleans())
def test_a_mapping_is_only_used_where_its_columns_are(columns: str, made_for: list[str], is_sure: bool) -> None:
    mappings = [said(names, names[0], names[1]) for names in made_for]
    form = replace(unclear(columns), is_sure=is_sure)
    found = mapping_for(form, mappings)
    if columns in made_for:
        assert found is not None and found.columns == tuple(columns)
    elif is_sure:
        assert found is None
    else:
        assert (found is not None) == any(set(one.fields.values()) <= set(columns) for one in mappings)
        assert found is None or set(found.fields.values()) <= set(columns)


def test_what_is_said_again_of_the_same_columns_replaces_what_was_said() -> None:
    one, other, again = said("ab", "a", "b"), said("cd", "c", "d"), said("ba", "b", "a")
    assert with_mapping((one, other), again) == (other, again)
    assert without_mapping((one, other), ("b", "a")) == (other,)
    assert without_mapping((one, other), ("a",)) == (one, other)


def test_all_that_is_remembered_is_found_at_once(tmp_path: Path) -> None:
    mappings = Mappings(tmp_path / "mappings.json")
    one, other = said("ab", "a", "b"), said("cd", "c", "d")
    for form in (one, other):
        mappings.remember(form)
    assert mappings.all_remembered([("b", "a"), ("x", "y"), ("c", "d"), ("a", "b")]) == [one, other]


def test_a_mapping_is_remembered_for_the_same_columns_in_any_order(tmp_path: Path) -> None:
    form = mapping(question="ticket", answer="reply")
    Mappings(tmp_path / "new" / "mappings.json").remember(form)
    again = Mappings(tmp_path / "new" / "mappings.json")
    assert again.remembered(["notes", "reply", "ticket"]) == form
    assert again.remembered(["reply", "ticket"]) is None
    again.remember(mapping(question="reply", answer="ticket"))
    found = again.remembered(["ticket", "reply", "notes"])
    assert found is not None and found.fields["question"] == "reply"
    again.forget(["ticket", "reply", "notes"])
    again.forget(["ticket", "reply", "notes"])
    assert again.remembered(["ticket", "reply", "notes"]) is None
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["mappings.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b"\xff\xfe", b"[" * 100_000, b'{"[\\"a\\", \\"b\\"]": 5}', b"{}" + b" " * 5_000_000],
)
def test_a_damaged_file_counts_as_empty_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mappings.json"
    file.write_bytes(content)
    mappings = Mappings(file)
    assert mappings.remembered(["a", "b"]) is None
    form = map_columns({"question": "a", "answer": "b"}, ("a", "b"))
    mappings.remember(form)
    assert mappings.remembered(["a", "b"]) == form


@given(
    st.dictionaries(
        st.sampled_from(["kind", "fields", "columns", "question_ending"]),
        st.none() | st.text(max_size=3) | st.lists(st.integers() | st.text(max_size=3)) | st.just({"question": "a"}),
    )
)
def test_whatever_an_entry_holds_nothing_fails(tmp_path_factory: pytest.TempPathFactory, entry: dict) -> None:
    file = tmp_path_factory.getbasetemp() / "mappings.json"
    file.write_text(json.dumps({json.dumps(["a", "b"]): entry}))
    found = Mappings(file).remembered(["b", "a"])
    assert found is None or set(found.fields.values()) <= {"a", "b"}


def _remember_many(file: str, name: str) -> None:
    for number in range(20):
        columns = (f"{name}{number}", "answer")
        Mappings(Path(file)).remember(map_columns({"question": columns[0], "answer": "answer"}, columns))


def test_two_processes_never_leave_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mappings.json"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_remember_many, args=(str(file), name)) for name in "xy"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    kept = json.loads(file.read_bytes())
    assert any("x19" in key for key in kept) or any("y19" in key for key in kept)
