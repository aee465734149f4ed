"""Records out of files of every kind: the good ones come out whole, the broken ones with their line and words."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.domain_datasets import FormatKind, RecordFormat
from backend.errors import BadInput
from backend.studio import containers
from backend.studio.containers import Broken, Record, SourceFile, expand, read_source
from backend.studio.draft_heads import head_of_file
from backend.studio.records import MAX_RECORD_BYTES
from backend.studio.repairs import repair
from tests.unit.conversations import SHARED_DATA, jsonl, needs_shared_data, row, rows

ROWS = [row("Grüße 你好\r\n\u2028?", 'A "quoted", long\nanswer.'), row(), row("q,;\t|", "{[}]")]


def read_records(sources: Iterable[SourceFile]) -> Iterator[Record | Broken]:
    for number, source in enumerate(sources):
        yield from read_source(source, number)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Record | Broken]]:
    def read(content: bytes, name: str = "a.jsonl") -> list[Record | Broken]:
        path = tmp_path / "source"
        path.write_bytes(content)
        return list(read_records([SourceFile(path, name)]))

    return read


Reader = Callable[..., list[Record | Broken]]


def values(items: list[Record | Broken]) -> list[object]:
    assert [item for item in items if isinstance(item, Broken)] == []
    return [item.value for item in items if isinstance(item, Record)]


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def as_list(records: list) -> bytes:
    return json.dumps(records, ensure_ascii=False).encode()


def spread(records: list) -> bytes:
    return "\n".join(json.dumps(record, indent=2, ensure_ascii=False) for record in records).encode()


def around(records: list) -> bytes:
    return json.dumps({"version": "1.0", "about": {"by": "x"}, "data": records}, indent=1).encode()


def parquet(records: list) -> bytes:
    content = io.BytesIO()
    polars.DataFrame(records).write_parquet(content)
    return content.getvalue()


CONTAINERS: dict[str, Callable[[list], bytes]] = {
    "lines": lambda records: lines(*records),
    "windows line ends": lambda records: lines(*records).replace(b"\n", b"\r\n"),
    "old mac line ends": lambda records: lines(*records).replace(b"\n", b"\r"),
    "no line end at the end": lambda records: lines(*records).rstrip(),
    "empty lines": lambda records: b"\n \n" + lines(*records).replace(b"\n", b"\n\n \n"),
    "list": as_list,
    "list over lines": lambda records: json.dumps(records, indent=1).encode(),
    "list with a last comma": lambda records: as_list(records)[:-1] + b",\n]",
    "spread": spread,
    "object around": around,
    "utf-8 with mark": lambda records: b"\xef\xbb\xbf" + lines(*records),
    "utf-16": lambda records: lines(*records).decode().encode("utf-16"),
    "utf-16 big end first, list": lambda records: b"\xfe\xff" + as_list(records).decode().encode("utf-16-be"),
    "utf-16 without mark": lambda records: json.dumps(records).encode("utf-16-le"),
    "utf-32": lambda records: lines(*records).decode().encode("utf-32"),
    "parquet": parquet,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda content: content,
    "gzip": gzip.compress,
    "gzip in two members": lambda content: (
        gzip.compress(content[: len(content) // 2]) + gzip.compress(content[len(content) // 2 :]) + b"\0" * 512
    ),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("container", CONTAINERS)
def test_records_come_out_of_every_container_as_they_went_in(read: Reader, container: str, packing: str) -> None:
    many = ROWS * 50 if container != "utf-16 without mark" else rows(60)
    assert values(read(PACKED[packing](CONTAINERS[container](many)), "named.wrong")) == many


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
CONVERSATION = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3).map(
    lambda pairs: {
        "messages": [
            {"role": role, "content": text}
            for pair in pairs
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    st.lists(CONVERSATION, min_size=2, max_size=6), st.sampled_from(sorted(CONTAINERS)), st.sampled_from(sorted(PACKED))
)
def test_any_conversations_come_out_of_any_container(
    read: Reader, conversations: list, container: str, packing: str
) -> None:
    if container == "utf-16 without mark":
        return
    assert values(read(PACKED[packing](CONTAINERS[container](conversations)))) == conversations


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    st.binary(max_size=400) | st.text('{}[]",:\\\r\n \tenul1x\x00', max_size=200).map(str.encode),
    st.sampled_from(["", "a.csv", "a.jsonl", "a.parquet"]),
    st.sampled_from(sorted(PACKED)),
)
def test_no_bytes_make_it_raise_and_each_problem_is_in_words(
    read: Reader, content: bytes, name: str, packing: str
) -> None:
    items = read(PACKED[packing](content), name)
    assert items
    for item in items:
        if isinstance(item, Broken):
            assert item.message and item.fix and item.code and item.line >= 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(st.sampled_from(sorted(CONTAINERS)), st.sampled_from(sorted(PACKED)), st.data())
def test_a_file_cut_off_anywhere_keeps_what_came_before(
    read: Reader, container: str, packing: str, data: st.DataObject
) -> None:
    whole = PACKED[packing](CONTAINERS[container](rows(20)))
    cut = data.draw(st.integers(1, len(whole) - 1))
    items = read(whole[:cut])
    assert items
    good = [item.value for item in items if isinstance(item, Record)]
    assert good == rows(20)[: len(good)]


@pytest.mark.parametrize("packing", PACKED)
def test_what_is_cut_off_late_keeps_most(read: Reader, packing: str) -> None:
    whole = PACKED[packing](as_list([row(str(random.Random(number).random())) for number in range(3000)]))
    items = read(whole[: len(whole) * 9 // 10])
    good = sum(isinstance(item, Record) for item in items)
    assert good > 1200 and isinstance(items[-1], Broken)
    assert items[-1].code in {"list_cut_off", "record_cut_off", "gzip_cut_off", "gzip_damaged"}
    assert items[-1].line > 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([b"\n", b"\r\n"]))
def test_every_broken_line_is_found_at_its_number(read: Reader, is_good: list[bool], end: bytes) -> None:
    good = jsonl(row()).strip()
    items = read(good + end + end.join(good if one else b"broken" for one in is_good))
    assert [item.line for item in items if isinstance(item, Broken)] == [
        number for number, one in enumerate(is_good, start=2) if not one
    ]
    assert next(item.line for item in items if isinstance(item, Record)) == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not json", "not_json"),
        (b'{"messages": [', "not_json"),
        (b'{"a": 1} {"b": 2}', "not_json"),
        (b"{'messages': []}", "not_json"),
        (b'{"messages": "a\xff"}', "not_utf8"),
        (b'{"messages": "a\x00b"}', "nul_character"),
        (b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested_too_deeply"),
        (b'{"messages": [], "messages": [1]}', "duplicate_key"),
        (b'{"messages": [{"role": "user", "role": "assistant", "content": "x"}]}', "duplicate_key"),
        (b'{"question": "a", "question": "b"}', "duplicate_key"),
        (b'"' + b"x" * MAX_RECORD_BYTES + b'"', "line_too_long"),
        (b'"' + b"x" * 3 * MAX_RECORD_BYTES + b'"', "line_too_long"),
    ],
)
def test_each_flaw_of_a_line_has_its_code_and_its_line(read: Reader, line: bytes, code: str) -> None:
    good = jsonl(row())
    items = read(good + line + b"\n" + good)
    assert [(item.line, getattr(item, "code", "")) for item in items] == [(1, ""), (2, code), (3, "")]
    broken = items[1]
    assert isinstance(broken, Broken) and broken.message and broken.fix and len(broken.raw) <= 64 * 1024
    assert line.startswith(broken.raw) and broken.raw


@pytest.mark.parametrize("make", [lambda line: jsonl(row()) + line + b"\n", lambda line: b"[" + line + b"]"])
@pytest.mark.parametrize(
    ("line", "is_twice"),
    [
        (b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}', True),
        (b'{"a": 1, "b": {"c": {"d": null, "d": "\\\\"}}}', True),
        (b'{"a": "\\\\", "b": "x\\"", "a": 1}', True),
        (b'{"a": "\\\\", "b": "x\\"\\\\", "c": {"a": 1}}', False),
        (b'{"a": "the \\"a\\" of \\"b\\"", "b": [{"a": 1}, {"a": 2}]}', False),
    ],
)
def test_a_key_that_stands_twice_is_found_wherever_it_is(
    read: Reader, make: Callable[[bytes], bytes], line: bytes, is_twice: bool
) -> None:
    assert (getattr(read(make(line))[-1], "code", "") == "duplicate_key") is is_twice


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"a": NaN, "b": [Infinity, -Infinity]}', {"a": None, "b": [None, None]}),
        (b'{"a": 1e999}', {"a": float("inf")}),
        (b'{"a": "x\ty"}', {"a": "x\ty"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a": "the \\"messages\\" of \\"a\\"", "b": "a"}', {"a": 'the "messages" of "a"', "b": "a"}),
        (b'{"a": "b", "b": "a"}', {"a": "b", "b": "a"}),
    ],
)
def test_what_is_only_unusual_is_taken(read: Reader, line: bytes, value: object) -> None:
    assert values(read(jsonl(row()) + line + b"\n"))[1] == value


def test_a_huge_number_does_no_harm(read: Reader) -> None:
    (_first, record) = values(read(jsonl(row()) + b'{"a": ' + b"1" * 10_000 + b"}"))
    assert record == {"a": float("inf")}


def test_two_records_parted_by_an_old_mac_line_end_are_two(read: Reader) -> None:
    good = jsonl(row()).strip()
    assert values(read(good + b"\n" + good + b"\r" + good + b"\n" + good)) == [row()] * 4


def test_a_broken_record_in_a_list_costs_only_itself(read: Reader) -> None:
    content = json.dumps(rows(5), indent=1).replace('"Question 2?"', '"Question 2?').encode()
    items = read(content)
    assert [item.value for item in items if isinstance(item, Record)] == [one for one in rows(5) if one != rows(5)[2]]
    (broken,) = [item for item in items if isinstance(item, Broken)]
    assert broken.code == "not_json"
    assert content[: content.index(b"Question 2?")].count(b"\n") + 1 == broken.line + 4


def test_a_broken_record_among_spread_ones_costs_only_itself(read: Reader) -> None:
    items = read(spread(rows(5)).replace(b'"Question 2?"', b"Question 2?"))
    assert len([item for item in items if isinstance(item, Record)]) == 4
    (broken,) = [item for item in items if isinstance(item, Broken)]
    start = spread(rows(2)).count(b"\n") + 2
    assert broken.line == start and f"line {start + 4}" in broken.message


@pytest.mark.parametrize("content", [b"[1 2]", b"[", b"[{]", b"[" * 100_000, b'["\xff"]', b"[] x", b'{"a": [', b"[]"])
def test_a_broken_list_is_a_problem_and_no_crash(read: Reader, content: bytes) -> None:
    assert any(isinstance(item, Broken) for item in read(content))


def test_lines_of_records_are_exact_in_a_long_list(read: Reader) -> None:
    content = json.dumps([row("x" * 2000)] * 3000, indent=1).encode()
    starts = [number for number, line in enumerate(content.split(b"\n"), start=1) if line == b" {"]
    assert [item.line for item in read(content)] == starts


def test_a_record_too_long_in_a_list_is_passed_over(read: Reader) -> None:
    items = read(as_list([row(), row("x" * (MAX_RECORD_BYTES + 5)), row("last")]))
    assert [item.value for item in items if isinstance(item, Record)] == [row(), row("last")]
    assert [item.code for item in items if isinstance(item, Broken)] == ["line_too_long"]


def as_csv(records: list[list[str]], delimiter: str = ",", end: str = "\r\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(records)
    return text.getvalue().encode()


CELLS = [["What is it?", 'It is "this", and\nthat;\ttoo.'], ["Grüße?", "Hallo | you"], ["Why?", "So."]]


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_table_is_read_with_its_header(read: Reader, delimiter: str, mark: bytes, packing: str) -> None:
    content = mark + as_csv([["question", "answer"], *CELLS], delimiter)
    found = values(read(PACKED[packing](content), "table"))
    assert found == [{"question": question, "answer": answer} for question, answer in CELLS]


def test_a_table_without_header_has_numbered_columns(read: Reader) -> None:
    found = values(read(as_csv([["How are you doing today?", "I am fine, thank you."], *CELLS]), "a.csv"))
    assert found[0] == {"column 1": "How are you doing today?", "column 2": "I am fine, thank you."}
    assert len(found) == 4


def test_ragged_rows_and_other_encodings_are_broken_with_their_line(read: Reader) -> None:
    content = as_csv([["question", "answer"], CELLS[0], ["a", "b", "c"], ["alone"], CELLS[2]])
    content += "Größe?,für dich\r\n".encode("cp1252") + b"x,y\r\n"
    items = read(content, "a.csv")
    broken = {item.line: item for item in items if isinstance(item, Broken)}
    assert {line: item.code for line, item in broken.items()} == {4: "ragged_row", 5: "ragged_row", 7: "not_utf8"}
    assert json.loads(broken[4].raw) == ["a", "b", "c"]
    assert json.loads(broken[7].raw.decode("cp1252")) == {"question": "Größe?", "answer": "für dich"}
    assert [item.line for item in items if isinstance(item, Record)] == [2, 6, 8]


def test_a_quote_that_is_never_closed_costs_one_row(read: Reader) -> None:
    many = [[f"question {number}?", f"answer {number}"] for number in range(500)]
    content = as_csv([["question", "answer"], *many]).replace(b"question 7?", b'"question 7?')
    items = read(content, "a.csv")
    (broken,) = [item for item in items if isinstance(item, Broken)]
    assert (broken.code, broken.line) == ("quote_not_closed", 9)
    assert len(items) == 500


def test_every_row_with_an_open_quote_takes_no_long_time(read: Reader) -> None:
    items = read(b"question,answer\n" + b'a,b\n"' * 3 + b'"open' * 9 + b"\n" + b'"x y,z\na,b\n' * 20_001, "a.csv")
    assert items


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "", "empty_file"),
        (b" \n\n", "", "empty_file"),
        (b"\xef\xbb\xbf", "", "empty_file"),
        (b"[]", "", "empty_file"),
        (gzip.compress(b"", mtime=0), "", "empty_file"),
        (b"PK\x03\x04rest", "x.jsonl", "format_zip"),
        (b"%PDF-1.7", "x.jsonl", "format_pdf"),
        (b"\x89PNG\r\n", "", "format_image"),
        (b"SQLite format 3\x00...", "x.csv", "format_sqlite"),
        (b"<!DOCTYPE html><p>", "", "format_html"),
        (b"\x00\x01\x02\x03" * 50, "", "format_binary"),
        (b"Just some words.\nAnd more of them here, as it goes.\n", "x.txt", "format_text"),
        (b"PAR1....", "", "parquet_damaged"),
        (parquet(rows(3))[:-20], "", "parquet_damaged"),
        (gzip.compress(jsonl(row()), mtime=0)[:10], "", "gzip_cut_off"),
        (b"\x1f\x8bnothing", "", "gzip_damaged"),
    ],
)
def test_a_file_of_another_kind_is_named(read: Reader, content: bytes, name: str, code: str) -> None:
    (broken,) = read(content, name)
    assert isinstance(broken, Broken) and (broken.line, broken.code) == (0, code) and broken.message and broken.fix


def test_a_bomb_is_refused_early(read: Reader) -> None:
    bomb = gzip.compress(jsonl(row("x" * 1_000_000)) * 90, compresslevel=6)
    items = read(bomb)
    assert isinstance(items[-1], Broken) and items[-1].code == "gzip_too_large"
    assert 0 < sum(isinstance(item, Record) for item in items) < 80


def test_a_text_of_parquet_in_another_encoding_costs_its_own_row_only(read: Reader, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet as writer

    raw = pyarrow.array([b"plain", b"Gr\xfc\xdfe", *[b"plain"] * 40])
    question = pyarrow.Array.from_buffers(pyarrow.string(), len(raw), raw.buffers())
    writer.write_table(pyarrow.table({"question": question, "n": range(len(raw))}), tmp_path / "old.parquet")
    found = read((tmp_path / "old.parquet").read_bytes())
    assert [(one.code, one.line) for one in found if isinstance(one, Broken)] == [("not_utf8", 2)]
    assert [one.line for one in found if isinstance(one, Record)] == [1, *range(3, 43)]


def test_a_table_is_told_by_lines_that_end_as_they_are_read(read: Reader) -> None:
    table = "question\tanswer\n" + "".join(f"what is {n}?\tone\u2028two\x0bthree {n}\n" for n in range(9))
    found = values(read(table.encode(), "notes.txt"))
    assert found[8] == {"question": "what is 8?", "answer": "one\u2028two\x0bthree 8"}


def test_a_damaged_record_among_others_comes_with_its_own_text_and_can_be_mended(read: Reader) -> None:
    good = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "A"}]}'
    bad = good.replace("}]", "},]")
    found = read(f"[{good % 1},\n{bad % 2},\n{good % 3},\n{bad % 4}\n]".encode())
    spread = read("\n".join(one.replace("{", "{\n", 1) for one in (good % 1, bad % 2, good % 3, bad % 4)).encode())
    form = RecordFormat(FormatKind.MESSAGES, {"messages": "messages"})
    for items in (found, spread):
        assert [type(one) for one in items] == [Record, Broken, Record, Broken]
        mended = [repair(one.code, one.raw, form).messages for one in items if isinstance(one, Broken)]
        assert [one[0].content for one in mended if one] == ["2", "4"]


def test_oddities_of_parquet_become_plain_values(read: Reader, tmp_path: Path) -> None:
    import datetime
    import decimal

    import pyarrow
    from pyarrow import parquet as writer

    table = pyarrow.table(
        {
            "text": pyarrow.array([b"abc", b"\xff", None], pyarrow.binary()),
            "map": pyarrow.array([[("a", 1)], [], None], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
            "when": pyarrow.array([datetime.datetime(2024, 1, 1)] * 3),
            "price": pyarrow.array([decimal.Decimal("1.50")] * 3),
            "kind": pyarrow.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    writer.write_table(table, tmp_path / "odd.parquet")
    found = values(read((tmp_path / "odd.parquet").read_bytes()))
    assert found[0] == {"text": "abc", "map": {"a": 1}, "when": "2024-01-01T00:00:00", "price": "1.50", "kind": "x"}
    json.dumps(found)


@pytest.mark.parametrize("packing", PACKED)
def test_parquet_that_looks_like_text_of_another_kind_is_parquet(read: Reader, packing: str) -> None:
    record, content = next(
        (one, made)
        for one in (row("\r" * count, "x" * count) for count in range(2, 400))
        if (made := parquet([one])).count(b"\r") > 1 and b"\n" not in made
    )
    assert values(read(PACKED[packing](content))) == [record]


def test_a_damaged_row_group_costs_only_itself(read: Reader, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet as reader

    content = io.BytesIO()
    polars.DataFrame(rows(300)).write_parquet(content, row_group_size=100)
    damaged = bytearray(content.getvalue())
    facts = reader.ParquetFile(pyarrow.BufferReader(bytes(damaged))).metadata.row_group(1).column(1)
    start = facts.dictionary_page_offset or facts.data_page_offset
    damaged[start : start + facts.total_compressed_size] = b"\xee" * facts.total_compressed_size
    items = read(bytes(damaged))
    assert [item.value for item in items if isinstance(item, Record)] == rows(300)[:100] + rows(300)[200:]
    (broken,) = [item for item in items if isinstance(item, Broken)]
    assert (broken.code, broken.line) == ("parquet_damaged", 101)


def test_a_folder_is_read_in_order_and_an_empty_one_said(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "a/1.csv", ".hidden/x.jsonl", "a/.x.jsonl", "readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(jsonl(row()))
    found = expand([SourceFile(tmp_path, "folder")])
    assert [file.name for file in found] == ["a/1.csv", "b/2.jsonl"]
    assert [(item.file, item.line) for item in read_records(found)] == [(0, 1), (1, 1)]
    (tmp_path / "none").mkdir()
    (broken,) = read_records(expand([SourceFile(tmp_path / "none", "none")]))
    assert isinstance(broken, Broken) and broken.code == "empty_folder"


def test_more_files_than_are_taken_are_refused_and_none_is_left_out_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "MOST_FILES", 3)
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(jsonl(row()))
    assert len(expand([SourceFile(tmp_path, "folder")])) == 3
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "more.jsonl").write_bytes(jsonl(row()))
    with pytest.raises(BadInput, match="more than 3 files"):
        expand([SourceFile(tmp_path, "folder")])


def test_what_is_not_there_or_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    sources = [SourceFile(tmp_path / name, name) for name in ("gone", "pipe", "x" * 300, "a\0b")]
    assert [getattr(item, "code", "") for item in read_records(sources)] == [
        "no_such_file",
        "unreadable_file",
        "unreadable_file",
        "no_such_file",
    ]


def test_a_file_that_grows_while_it_is_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(*rows(20_000)))
    items = read_records([SourceFile(path, "a.jsonl")])
    next(items)
    with path.open("ab") as file:
        file.write(jsonl(row()))
    *_, last = items
    assert isinstance(last, Broken) and (last.code, last.line) == ("file_changed", 0)


def test_the_first_records_of_a_large_file_need_only_its_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(*rows(20_000)))
    taken = 0
    opened = containers.open_bytes(path)

    class Counted(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal taken
            piece = super().read(size)
            taken += len(piece)
            return piece

    monkeypatch.setattr(containers, "open_bytes", lambda _path: Counted(opened.raw))  # type: ignore[attr-defined]
    assert len(head_of_file(SourceFile(path, "a.jsonl"), limit=200)) == 200
    assert taken < path.stat().st_size


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("samsum_chat_train.jsonl", 79),
        ("samsum_chat_validation.jsonl", 21),
        ("assistant_dialogs.jsonl", 128),
        ("alpaca_en_demo.json", 999),
    ],
)
def test_real_chat_data_is_read_whole(read: Reader, name: str, count: int) -> None:
    assert len(values(read((SHARED_DATA / name).read_bytes(), name))) == count
