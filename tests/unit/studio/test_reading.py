"""Reading JSONL: every line is a usable row or has a problem with its line, a reason and a fix."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import dataset_reading
from backend.domain import DataReport, Problem
from backend.domain_datasets import Row
from backend.studio.reading import read, report
from tests.unit.conversations import SHARED_DATA, jsonl, needs_shared_data, row


def check(content: bytes, filename: str = "") -> DataReport:
    return report(read(io.BytesIO(content), filename))


def only_problem(content: bytes, filename: str = "") -> Problem:
    found = check(content, filename)
    assert found.problem_count == 1, found
    assert found.problems[0].message and found.problems[0].fix
    return found.problems[0]


def turns(*roles_and_texts: tuple[object, object]) -> bytes:
    return jsonl({"messages": [{"role": role, "content": text} for role, text in roles_and_texts]})


USER, ASSISTANT, SYSTEM = ("user", "Q"), ("assistant", "A"), ("system", "S")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not json\n", "not_json"),
        (b'{"messages": [\n', "not_json"),
        (b'{"messages": NaN}\n', "not_json"),
        (b'{"a": 1} {"b": 2}\n', "not_json"),
        (b'"text"\n', "not_an_object"),
        (b"7\n", "not_an_object"),
        (b"null\n", "not_an_object"),
        (b"{}\n", "no_messages"),
        (b'{"text": "x"}\n', "no_messages"),
        (b'{"role": "user", "content": "x"}\n', "no_messages"),
        (b'{"messages": null}\n', "messages_not_a_list"),
        (b'{"messages": {"role": "user"}}\n', "messages_not_a_list"),
        (b'{"messages": []}\n', "messages_empty"),
        (b'{"messages": ["x"]}\n', "message_not_an_object"),
        (b'{"messages": [{"content": "x"}]}\n', "role_missing"),
        (b'{"messages": [{"role": "user"}]}\n', "content_missing"),
        (turns(("user", 5)), "content_not_text"),
        (turns(("user", None)), "content_not_text"),
        (turns(("user", [{"type": "text", "text": "x"}])), "content_not_text"),
        (turns(("user", "  \n")), "content_empty"),
        (turns(USER, ("assistant", "")), "content_empty"),
        (turns(("human", "x")), "unknown_role"),
        (turns(("User", "x")), "unknown_role"),
        (turns(("tool", "x")), "unknown_role"),
        (turns((3, "x")), "unknown_role"),
        (turns((["user"], "x")), "unknown_role"),
        (turns(USER), "no_assistant"),
        (turns(SYSTEM, USER), "no_assistant"),
        (turns(ASSISTANT), "wrong_order"),
        (turns(ASSISTANT, USER, ASSISTANT), "wrong_order"),
        (turns(USER, USER, ASSISTANT), "wrong_order"),
        (turns(USER, ASSISTANT, ASSISTANT), "wrong_order"),
        (turns(USER, ASSISTANT, USER), "last_turn_not_assistant"),
        (turns(USER, SYSTEM, ASSISTANT), "system_not_first"),
        (turns(SYSTEM, SYSTEM, USER, ASSISTANT), "system_not_first"),
        (b'{"messages": [{"role": "user", "content": "a\xff"}]}\n', "not_utf8"),
        (b'{"messages": "a\x00b"}\n', "nul_character"),
        (turns(("user", "a\x00b")), "nul_character"),
        (b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}\n", "nested_too_deeply"),
        (b'{"instruction": "i", "input": "", "output": "o"}\n', "format_alpaca"),
        (b'{"conversations": []}\n', "format_sharegpt"),
    ],
)
def test_each_flaw_has_its_code_and_its_line(line: bytes, code: str) -> None:
    good = jsonl(row())
    found = check(good + line + good)
    assert [(problem.line, problem.code) for problem in found.problems] == [(2, code)]
    assert (found.rows, found.good_rows, found.format) == (3, 2, "messages")
    assert found.problems[0].message and found.problems[0].fix


def test_an_unknown_role_is_named_and_the_right_one_suggested() -> None:
    problem = only_problem(turns(("human", "x"), ASSISTANT))
    assert '"human"' in problem.message and '"user"' in problem.fix


@pytest.mark.parametrize(
    "content",
    [turns(USER, ASSISTANT), turns(SYSTEM, USER, ASSISTANT), turns(USER, ASSISTANT, USER, ASSISTANT)],
)
def test_a_well_formed_conversation_is_taken(content: bytes) -> None:
    assert check(content) == DataReport("messages", 1, 1)


def test_an_empty_system_message_is_left_out() -> None:
    (item,) = read(io.BytesIO(turns(("system", " "), USER, ASSISTANT)))
    assert isinstance(item, Row)
    assert [message.role for message in item.messages] == ["user", "assistant"]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n", b" \n"])
def test_line_ends_blank_lines_and_a_byte_order_mark_do_no_harm(ending: bytes) -> None:
    line = jsonl(row("Grüße 你好 \u2028")).strip()
    content = b"\xef\xbb\xbf" + line + ending + line
    assert check(content) == DataReport("messages", 2, 2)


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b"", "", "empty_file"),
        (b" \n\n", "", "empty_file"),
        (b"\xef\xbb\xbf", "", "empty_file"),
        (b"[]", "", "empty_file"),
        (b"PK\x03\x04rest", "x.jsonl", "format_zip"),
        (b"%PDF-1.7", "x.jsonl", "format_pdf"),
        (b"\x1f\x8b\x08", "", "format_gzip"),
        (b"PAR1....", "", "format_parquet"),
        (b"\x89PNG\r\n", "", "format_image"),
        (b"question,answer\na,b\n", "", "format_csv"),
        (b"question\nx\n", "table.csv", "format_csv"),
        ("q;a\n1;2\n".encode("utf-16"), "", "format_utf16"),
        ('{"messages": []}'.encode("utf-16-le"), "", "format_utf16"),
        ('{"messages": []}'.encode("utf-16-be"), "", "format_utf16"),
        (b"<!DOCTYPE html><p>", "", "format_html"),
        (b'{\n  "messages": []\n}\n', "", "format_spread_json"),
    ],
)
def test_a_file_of_another_kind_is_named(content: bytes, filename: str, code: str) -> None:
    problem = only_problem(content, filename)
    assert (problem.line, problem.code) == (0, code)


def test_a_json_list_is_taken_and_its_problems_have_their_lines() -> None:
    content = "[\n" + json.dumps(row(), indent=1) + ",\n" + '{"messages": []}\n' + "]\n"
    found = check(content.encode())
    assert (found.rows, found.good_rows) == (2, 1)
    assert found.problems[0].line == content[: content.index('{"messages": []}')].count("\n") + 1
    assert check(json.dumps([row(), row()]).encode()).good_rows == 2


@pytest.mark.parametrize("content", [b"[1 2]", b"[", b"[{]", b"[1,]", b"[] x", b"[" * 100_000, b'["\xff"]'])
def test_a_broken_json_list_is_a_problem_and_no_crash(content: bytes) -> None:
    assert check(content).problem_count >= 1


def test_a_very_long_line_is_a_problem_and_reading_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_reading, "MAX_LINE_BYTES", 1000)
    content = jsonl(row(), row("x" * 5000), row("y" * 700), row())
    found = check(content)
    assert [(problem.line, problem.code) for problem in found.problems] == [(2, "line_too_long")]
    assert (found.rows, found.good_rows) == (4, 3)


def test_problems_are_listed_up_to_a_limit_and_all_counted() -> None:
    found = check(b"x\n" * 1500)
    assert (len(found.problems), found.problem_count, found.rows) == (1000, 1500, 1500)


def test_reading_a_large_file_needs_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    file.write_bytes(jsonl(*[row("x" * 1000)] * 100) * 300)
    with file.open("rb") as opened:
        tracemalloc.start()
        found = report(read(opened))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found.good_rows == 30_000
    assert peak < file.stat().st_size / 10


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "good"),
    [("samsum_chat_train.jsonl", 79), ("samsum_chat_validation.jsonl", 21), ("assistant_dialogs.jsonl", 128)],
)
def test_real_chat_data_is_taken_whole(name: str, good: int) -> None:
    assert check((SHARED_DATA / name).read_bytes(), name) == DataReport("messages", good, good)


@needs_shared_data
def test_alpaca_data_is_recognised() -> None:
    found = check((SHARED_DATA / "alpaca_en_demo.json").read_bytes())
    assert (found.format, found.good_rows, found.problem_count) == ("alpaca", 0, 999)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["messages", "role", "content", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": st.text()})


@given(st.binary(max_size=400), st.sampled_from(["", "a.csv", "a.jsonl"]))
def test_no_bytes_make_the_reader_fail(content: bytes, filename: str) -> None:
    found = check(content, filename)
    assert found.problem_count + found.good_rows >= 1


@given(JSON | st.fixed_dictionaries({"messages": st.lists(MESSAGE, max_size=5)}))
def test_no_json_makes_the_reader_fail_and_what_it_takes_is_usable(value: object) -> None:
    for item in read(io.BytesIO(jsonl({"messages": [0]}, value))):
        if isinstance(item, Row):
            roles = [message.role for message in item.messages if message.role != "system"]
            assert roles == ["user", "assistant"] * (len(roles) // 2) and roles
            assert all(message.content.strip() for message in item.messages)
            json.dumps([message.content for message in item.messages]).encode()


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_every_bad_line_is_found_at_its_number(is_good: list[bool], end: bytes, has_mark: bool) -> None:
    good = jsonl(row()).strip()
    content = good + end + end.join(good if one else b"broken" for one in is_good)
    found = check((b"\xef\xbb\xbf" if has_mark else b"") + content)
    assert [problem.line for problem in found.problems] == [
        number for number, one in enumerate(is_good, start=2) if not one
    ]
    assert found.good_rows == sum(is_good) + 1
