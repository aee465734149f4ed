"""The working copy: usable rows in order with their index, the others counted and named, by one process or many."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain_datasets import Decision, FormatKind, RecordFormat
from backend.errors import NoRoom
from backend.studio import copy_making, reading_workers
from backend.studio.copy_making import make_working_copy
from backend.studio.json_lines import Block, records_of
from backend.studio.records import SourceFile
from backend.studio.row_batch import Batch, RowConverter
from backend.studio.row_index import index_of
from backend.studio.working_copy import WorkingCopy
from tests.unit.conversations import SHARED_DATA, jsonl, needs_shared_data, row, rows
from tests.unit.studio.test_containers import CONVERSATION

Make = Callable[..., WorkingCopy]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(*contents: bytes, **choices: object) -> WorkingCopy:
        sources = []
        for number, content in enumerate(contents):
            path = tmp_path / f"source-{number}"
            path.write_bytes(content)
            sources.append(SourceFile(path, f"{number}.jsonl"))
        return make_working_copy(sources, tmp_path / "copy", **{"workers": 0, **choices})  # type: ignore[arg-type]

    return make


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file is read by several processes in many parts."""
    monkeypatch.setattr(copy_making, "PARALLEL_BYTES", 1)
    monkeypatch.setattr(reading_workers, "RANGE_BYTES", 3_000)
    monkeypatch.setattr(copy_making, "RANGE_BYTES", 6_000)


def messages(copy: WorkingCopy) -> list[dict]:
    return [
        {"messages": [{"role": message.role, "content": message.content} for message in one.messages]}
        for one in copy.page(0, 10**6)
    ]


MIXED = [
    row() if number % 7 else {"messages": [{"role": "user", "content": f"alone {number}"}]} for number in range(400)
]


def test_usable_rows_are_kept_in_order_and_the_others_found(make: Make) -> None:
    copy = make(jsonl(*MIXED) + b"broken\n", jsonl(*rows(3)))
    report = copy.report()
    assert (report.rows, report.good_rows, report.bad_rows, copy.rows) == (404, 345, 59, 345)
    assert messages(copy) == [one for one in MIXED if len(one["messages"]) == 2] + rows(3)
    by_code = {finding.code: finding for finding in report.findings}
    assert {code: finding.count for code, finding in by_code.items()} == {"no_assistant": 58, "not_json": 1}
    assert [found.line for found in by_code["no_assistant"].rows][:3] == [1, 8, 15]
    assert (by_code["not_json"].rows[0].file, by_code["not_json"].rows[0].line) == ("0.jsonl", 401)
    assert "broken" in by_code["not_json"].rows[0].excerpt
    assert copy.is_complete and report.format.kind is FormatKind.MESSAGES
    last = copy.page(344, 5)
    assert [(one.file, one.line) for one in last] == [("1.jsonl", 3)]


def test_its_lines_its_index_and_the_index_beside_agree(make: Make) -> None:
    copy = make(jsonl(*MIXED))
    lines = copy.path.read_bytes().splitlines(keepends=True)
    assert list(copy.lines(range(copy.rows))) == lines
    assert list(copy.lines([5, 0, 7])) == [lines[5], lines[0], lines[7]]
    table = copy.table()
    assert table["line"].tolist() == [number for number, one in enumerate(MIXED, 1) if len(one["messages"]) == 2]
    assert table["offset"].tolist() == [sum(map(len, lines[:number])) for number in range(len(lines))]
    kept = (copy.folder / ".rows.jsonl.rows").read_bytes()
    index = index_of(copy.path)
    assert len(index) == copy.rows and list(index.lines([3])) == [lines[3]] and index.turns(3) == 2
    assert index.digest_list() == [blake3(line).digest(16) for line in lines]
    assert (copy.folder / ".rows.jsonl.rows").read_bytes() == kept
    assert copy.origins().of(0) == ("0.jsonl", 2)


def _texts(seed: int, count: int) -> bytes:
    rng = random.Random(seed)
    content = b""
    for number in range(count):
        kind = rng.random()
        if kind < 0.1:
            content += rng.choice([b"not json\n", b"\n", b'{"messages": []}\n', b'"\xff"\n', b"\r\n"])
        else:
            content += jsonl(row(f"{number} " + "x" * rng.randrange(3_000), "y" * rng.randrange(200)))
    return content


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress, lambda content: b"\xef\xbb\xbf" + content])
def test_several_processes_make_the_same_as_one(
    make: Make, tmp_path: Path, small_tasks: None, pack: Callable[[bytes], bytes]
) -> None:
    sources = [pack(_texts(seed, 150)) for seed in (1, 2)] + [json.dumps(rows(5)).encode()]
    sources.insert(1, pack(jsonl(row()) + b'"' + b"z" * 9_000_000 + b'"\n' + jsonl(*rows(2))))
    one = make(*sources)
    alone = (one.path.read_bytes(), one.report(), one.index_rows(), one.files)
    seen: list[tuple[float, int]] = []
    several = make(*sources, workers=2, on_progress=lambda done, rows: seen.append((done, rows)))
    assert (several.path.read_bytes(), several.report(), several.index_rows(), several.files) == alone
    assert seen == sorted(seen) and all(0 <= done <= 1 for done, _rows in seen)
    assert multiprocessing.active_children() == []


def test_fixing_and_skipping_are_decisions_that_can_be_taken_back(make: Make) -> None:
    content = jsonl(row(), {"messages": [*row()["messages"], {"role": "user", "content": "and?"}]}, {"messages": []})
    before = make(content)
    assert (before.report().good_rows, before.report().bad_rows) == (1, 2)
    decisions = {"last_turn_not_assistant": Decision.FIX, "messages_empty": Decision.SKIP}
    report = make(content, decisions=decisions).report()
    assert (report.rows, report.good_rows, report.fixed_rows, report.skipped_rows, report.bad_rows) == (3, 2, 1, 1, 0)
    assert {finding.code: finding.decision for finding in report.findings} == decisions
    assert make(content).report() == before.report()


def test_damaged_bytes_are_fixed_from_what_was_kept_of_them(make: Make) -> None:
    content = jsonl(*rows(3)) + json.dumps(row("Größe ändern für Jürgen?"), ensure_ascii=False).encode("cp1252") + b"\n"
    content += b"{'messages': [{'role': 'user', 'content': 'Q'}, {'role': 'assistant', 'content': 'A'}]}\n"
    copy = make(content, decisions={"not_utf8": Decision.FIX, "not_json": Decision.FIX})
    assert (copy.report().fixed_rows, copy.rows) == (2, 5)
    assert copy.page(3, 1)[0].messages[0].content == "Größe ändern für Jürgen?"


def test_ragged_rows_of_a_table_are_fixed(make: Make) -> None:
    table = b"question,answer\nWhat?,This, that\nAnd?,So.\nAlone?\n"
    copy = make(table, decisions={"ragged_row": Decision.FIX})
    assert copy.page(0, 1)[0].messages[1].content == "This, that"
    assert (copy.rows, copy.report().fixed_rows) == (2, 1)


def test_a_table_in_an_old_encoding_is_recognised_by_what_fix_would_read(make: Make) -> None:
    """Every row of it has an umlaut, and the 300th a cell too many: no record can be read before it is fixed."""
    lines = [
        f"Frage {number}: Größe ändern für Jürgen?;Schöne Grüße aus München, Nr. {number}" for number in range(400)
    ]
    lines[300] += ";übrig"
    table = "\r\n".join(["question;answer", *lines, ""]).encode("cp1252")
    found = make(table).report()
    assert (found.format.kind, found.format.is_sure, found.good_rows) == (FormatKind.QUESTION_ANSWER, True, 0)
    copy = make(table, decisions={"not_utf8": Decision.FIX, "ragged_row": Decision.FIX})
    assert (copy.rows, copy.report().fixed_rows) == (400, 400)
    assert copy.page(300, 1)[0].messages[1].content == "Schöne Grüße aus München, Nr. 300,übrig"
    mapping = RecordFormat(FormatKind.MAPPED, {"question": "b", "answer": "a"}, ("a", "b"))
    mapped = make(table.replace(b"question;answer", b"a;b"), mappings=[mapping], decisions={"not_utf8": Decision.FIX})
    assert mapped.rows == 399 and mapped.page(0, 1)[0].messages[1].content.startswith("Frage 0: Größe")


def test_a_mapping_is_used_for_the_files_that_have_its_columns(make: Make) -> None:
    odd = jsonl(*[{"x": f"x {number}", "y": f"y {number}"} for number in range(3)])
    assert make(odd, jsonl(row())).report().format.is_sure is False
    mapping = RecordFormat(FormatKind.MAPPED, {"question": "y", "answer": "x"}, ("x", "y"))
    copy = make(odd, jsonl(row()), mappings=[mapping])
    assert copy.page(0, 1)[0].messages[0].content == "y 0"
    assert (copy.rows, copy.report().format) == (4, mapping)


def test_each_file_is_read_by_the_mapping_for_its_columns(make: Make) -> None:
    one = jsonl({"x": "x", "y": "y"}, {"x": "x 2", "y": "y 2"})
    other = b"ask;reply\n" + b"".join(b"ask %d;reply %d\n" % (number, number) for number in range(3))
    clear = jsonl({**row("Q", "A"), "x": "no", "y": "no"})
    mappings = [
        RecordFormat(FormatKind.MAPPED, {"question": "y", "answer": "x"}, ("x", "y")),
        RecordFormat(FormatKind.MAPPED, {"question": "ask", "answer": "reply"}, ("ask", "reply")),
    ]
    copy = make(one, other, clear, mappings=mappings)
    assert [found.messages[0].content for found in copy.page(0, 9)] == ["y", "y 2", "ask 0", "ask 1", "ask 2", "Q"]
    assert [found.number for found in copy.file_formats()] == [0, 1, 2]
    assert [found.format for found in copy.file_formats()][:2] == mappings
    assert copy.report().formats == tuple(found.format for found in copy.file_formats())


def test_a_mapping_for_any_file_finds_the_marks_that_end_its_texts(make: Make) -> None:
    marked = jsonl(*[{"x": f"x {number}\n\n###\n\n", "y": f"y {number} END"} for number in range(30)])
    mapping = RecordFormat(FormatKind.MAPPED, {"question": "x", "answer": "y"})
    copy = make(marked, mappings=[mapping])
    assert [message.content for message in copy.page(7, 1)[0].messages] == ["x 7", "y 7"]
    assert copy.report().format.columns == ("x", "y")


def test_a_code_lists_its_first_thousand_rows_and_counts_all(make: Make) -> None:
    (finding,) = make(b"x\n" * 1_500 + jsonl(row())).report().findings
    assert (finding.count, len(finding.rows)) == (1_500, 1_000)


def test_what_was_done_without_a_question_is_noted(make: Make) -> None:
    content = jsonl(*rows(2)).decode().encode("utf-16")
    assert any("UTF-16" in note for note in make(content).report().notes)


def test_a_reading_that_is_broken_off_ends_its_processes(make: Make, small_tasks: None) -> None:
    class Enough(Exception):
        pass

    def stop(done: float, rows: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        make(_texts(3, 400), workers=2, on_progress=stop)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_is_said(make: Make, tmp_path: Path, small_tasks: None, workers: int) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "rows.jsonl").symlink_to("/dev/full")
    with pytest.raises(NoRoom):
        make(jsonl(*rows(500)), workers=workers)
    assert multiprocessing.active_children() == []


@needs_shared_data
def test_real_chat_data_is_taken_whole_and_without_a_question(tmp_path: Path) -> None:
    sources = [SourceFile(path, path.name) for path in sorted(SHARED_DATA.glob("*.json*"))]
    copy = make_working_copy(sources, tmp_path / "copy", workers=0)
    report = copy.report()
    assert (copy.rows, report.rows, report.findings, report.format.is_sure) == (1227, 1227, (), True)


def peak_mb(code: str, *arguments: str) -> int:
    """Of a Python process of its own. Not `ru_maxrss`, which starts with what this process holds."""
    program = f"import sys\n{code}\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=True)
    return int(done.stdout) // 1024


READ = """
from pathlib import Path
from backend.studio.copy_making import make_working_copy
from backend.studio.json_lines import Block, records_of
from backend.studio.records import SourceFile
from backend.studio.row_batch import Batch, RowConverter
make_working_copy([SourceFile(Path(sys.argv[1]), "a")], Path(sys.argv[2]), workers=0)
"""


def _long_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(jsonl(row()) + b'{"messages": "')
        for _piece in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + jsonl(row()))


def _long_list(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[" + (json.dumps(row("x" * 10_000)) + ",\n").encode() * 6_000 + b"1]")


def _bomb(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _piece in range(200):
            file.write(b" " * 1_000_000)


def _open_quotes(path: Path) -> None:
    path.write_bytes(
        b"question,answer\n" + b'"a,b\n' + b"some question,some answer and more of it, " * 9 + b"\n" + b"q,a\n" * 20_000
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("write", [_long_line, _long_list, _bomb, _open_quotes])
def test_large_and_hostile_files_need_little_memory(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "source")
    assert peak_mb(READ, str(tmp_path / "source"), str(tmp_path / "copy")) < 150
    assert WorkingCopy(tmp_path / "copy").is_complete


TURNS = b'{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}'
ODD_LINES = st.sampled_from(
    [
        b"",
        b"  ",
        b"broken",
        b'{"messages": []}',
        jsonl(row()).strip() + b"\r",
        jsonl({"messages": [{"role": "system", "content": "S"}, *row("\u00e9\u2028")["messages"]]}).strip(),
        jsonl({"messages": row()["messages"][::-1]}).strip(),
        b'{"messages": [1], "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "x", "role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a\\u0000"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a\\ud800"}, {"role": "assistant", "content": "b"}]}',
        b'{"a": "\xff"}',
        b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}',
        b'{"messages": [{"role": "user", "content": "\\u00e9\\/\\u0001\x7f"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "\xff"}]}',
        b'{"messages": [{"role": "user", "content": "\xc2\xa0"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "name": "x"}]}',
        b'{"messages": [%b], "id": {"a": 1, "a": 2}}' % TURNS,
        b'{"messages": [%b], "id": ["\\"", {"a": "b"}]}' % TURNS,
        b'{"messages": [%b], "id": NaN}' % TURNS,
        b'{"id": 1, "messages": [%b], "id": 1e999}' % TURNS,
        b'{"conversations": [{"from": "human", "value": "a", "from": "gpt"}, {"from": "gpt", "value": "b"}]}',
    ]
)


@settings(deadline=None)
@given(
    st.lists(ODD_LINES | CONVERSATION.map(lambda one: jsonl(one).strip()), max_size=12),
    st.sampled_from([b"", b"\n"]),
    st.sampled_from(["messages", "conversations"]),
)
def test_the_quick_way_gives_what_the_careful_way_gives(lines: list[bytes], end: bytes, column: str) -> None:
    block = Block(5, b"\n".join(lines) + end)
    kind = FormatKind.MESSAGES if column == "messages" else FormatKind.SHAREGPT
    converter = RowConverter(RecordFormat(kind, {"messages": column}, (column, "id")), frozenset())
    quick, careful = Batch(), Batch()
    converter.take_block(block, 3, quick)
    converter.take(records_of(block, 3), careful)
    assert (quick.lines, quick.index(7), quick.tally) == (careful.lines, careful.index(7), careful.tally)
