"""Drafts: open at once, read in the background, changed by decisions, there after a restart, gone when discarded."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from backend.domain_datasets import Decision, FormatKind, RecordFormat
from backend.errors import BadInput, Conflict, NotFound, PhiDeskError
from backend.studio import background_process, draft_heads
from backend.studio import drafts as drafts_module
from backend.studio.drafts import Drafts
from backend.studio.records import SourceFile
from backend.studio.unfolding import may_be_huge
from tests.contract.waiting import wait_until
from tests.unit.conversations import jsonl, row, rows

BAD = {"messages": [*row()["messages"], {"role": "user", "content": "and?"}]}


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path / "drafts")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Some 40 MB."""
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        for number in range(4_000):
            file.write(jsonl(row(f"Question {number}? " + "word " * 1_000, "answer " * 700)))
    return path


def folder_of(drafts: Drafts, draft_id: str) -> Path:
    (folder,) = (drafts.folder / draft_id).glob("copy-*")
    return folder


def test_small_uploads_are_read_at_once(drafts: Drafts) -> None:
    draft = drafts.open([("a.jsonl", jsonl(*rows(3))), ("b.csv", b"question,answer\nq,a\n")])
    assert (draft.phase, draft.done, draft.name, draft.files) == ("ready", 1.0, "a", ("a.jsonl", "b.csv"))
    assert (draft.report.rows, draft.report.good_rows, draft.report.findings) == (4, 4, ())
    page = drafts.page(draft.id, 2, 5)
    assert [(number, one.file, one.line) for number, one in page.rows] == [(2, "a.jsonl", 3), (3, "b.csv", 2)]
    assert page.total == 4
    assert drafts.page(draft.id, 0, 5, "QUESTION 1").rows[0][0] == 1
    assert drafts.working_copy(draft.id).rows == 4


def test_a_large_file_is_there_at_once_and_read_in_the_background(drafts: Drafts, large: Path) -> None:
    started = time.monotonic()
    draft = drafts.open([large], "Large")
    page = drafts.page(draft.id, 0, 50)
    assert time.monotonic() - started < 5
    assert [number for number, _row in page.rows] == list(range(50))
    assert page.rows[49][1].messages[0].content.startswith("Question 49?") and page.rows[49][1].line == 50
    assert draft.phase == "reading" and draft.report.format.kind is FormatKind.MESSAGES
    with pytest.raises(Conflict):
        drafts.working_copy(draft.id)
    again = Drafts(drafts.folder)
    done = again.wait(draft.id, 120)
    assert (done.phase, done.report.rows, done.report.good_rows, done.total_bytes) == (
        "ready",
        4_000,
        4_000,
        large.stat().st_size,
    )
    last = again.page(draft.id, 3_990, 50)
    assert (last.total, len(last.rows), last.rows[-1][1].line) == (4_000, 10, 4_000)
    assert [number for number, _row in again.page(draft.id, 1, 3, "question 399").rows] == [3_990, 3_991, 3_992]
    assert again.page(draft.id, 0, 1, "question 399").total == 11


def test_a_reading_process_that_is_killed_is_said_and_can_be_read_again(drafts: Drafts, large: Path) -> None:
    draft = drafts.open([large])
    folder = folder_of(drafts, draft.id)
    wait_until(lambda: background_process.read_progress(folder).get("phase") == "reading", "it begins to read")
    process = psutil.Process(int(background_process._read(folder / "process.json", {})["pid"]))
    workers = wait_until(lambda: process.children(recursive=True), "its workers start")
    os.kill(process.pid, signal.SIGKILL)
    failed = wait_until(lambda: found if (found := drafts.get(draft.id)).phase == "failed" else None, "it is said")
    assert failed.failure is not None and failed.failure.code == "process_died" and failed.failure.how_to_fix
    with pytest.raises(PhiDeskError):
        drafts.working_copy(draft.id)
    wait_until(lambda: not any(one.is_running() for one in workers), "its workers end too")
    assert drafts.page(draft.id, 0, 5).rows
    drafts.read_again(draft.id)
    assert drafts.wait(draft.id, 120).report.good_rows == 4_000


def test_cancelling_leaves_nothing(drafts: Drafts, large: Path) -> None:
    draft = drafts.open([large, SourceFile(large, "again")])
    folder = folder_of(drafts, draft.id)
    wait_until(lambda: background_process.is_alive(folder), "it runs")
    process = psutil.Process(int(background_process._read(folder / "process.json", {})["pid"]))
    drafts.cancel(draft.id)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert list(drafts.folder.iterdir()) == [] and large.exists() and drafts.list() == []
    drafts.discard(draft.id)
    with pytest.raises(NotFound):
        drafts.get(draft.id)


def test_decisions_are_kept_and_taken_back(drafts: Drafts) -> None:
    draft = drafts.open([("a.jsonl", jsonl(row(), BAD, {"messages": []}))])
    assert (draft.report.good_rows, draft.report.bad_rows) == (1, 2)
    skipped = drafts.decide(draft.id, "messages_empty", Decision.SKIP)
    assert (skipped.report.skipped_rows, skipped.report.bad_rows) == (1, 1)
    fixed = drafts.decide(draft.id, "last_turn_not_assistant", Decision.FIX)
    assert (fixed.report.good_rows, fixed.report.fixed_rows, fixed.report.bad_rows) == (2, 1, 0)
    assert drafts.page(draft.id, 0, 9).total == 2
    assert Drafts(drafts.folder).get(draft.id) == fixed
    back = drafts.decide_all(draft.id, {"messages_empty": None, "last_turn_not_assistant": None})
    assert back == draft


def test_a_mapping_is_used_and_remembered(drafts: Drafts) -> None:
    content = jsonl(*[{"x": f"x {number}", "y": f"y {number}"} for number in range(3)])
    draft = drafts.open([("a.jsonl", content)])
    assert not draft.report.format.is_sure
    assert drafts.first_records(draft.id, 1) == [{"x": "x 0", "y": "y 0"}]
    table = "x;y\n" + "Größe;Schöne Grüße aus München\n" * 9
    old = drafts.open([("old.csv", table.encode("cp1252"))])  # no row of it can be read before it is fixed
    assert drafts.first_records(old.id, 2) == [{"x": "Größe", "y": "Schöne Grüße aus München"}] * 2
    form = RecordFormat(FormatKind.MAPPED, {"question": "y", "answer": "x"}, ("x", "y"))
    mapped = drafts.use_mapping(draft.id, form)
    assert (mapped.mappings, mapped.report.good_rows) == ((form,), 3)
    assert drafts.page(draft.id, 0, 1).rows[0][1].messages[0].content == "y 0"
    assert drafts.open([("b.jsonl", content)]).mappings == (form,)
    assert drafts.drop_mapping(draft.id, form).report == draft.report


def test_drafts_are_listed_newest_first_and_a_foreign_folder_is_no_draft(drafts: Drafts) -> None:
    first, second = (drafts.open([(name, jsonl(row()))]) for name in ("one.jsonl", "two.jsonl"))
    (drafts.folder / "something").mkdir()
    assert [draft.id for draft in drafts.list()] == [second.id, first.id]
    assert drafts.rename(first.id, "New").name == "New"


@pytest.mark.parametrize("draft_id", ["", "../x", "0" * 12, "a/b"])
def test_an_unknown_draft_is_not_found(drafts: Drafts, draft_id: str) -> None:
    with pytest.raises(NotFound):
        drafts.get(draft_id)
    drafts.discard(draft_id)


def test_no_file_at_all_is_said(drafts: Drafts) -> None:
    with pytest.raises(BadInput):
        drafts.open([])


@pytest.mark.parametrize("name", ["../../etc/passwd", "CON", "\u202egpj.exe", "x" * 300, "<img src=x>", "a\0b", ""])
def test_hostile_names_are_shown_only(drafts: Drafts, name: str) -> None:
    draft = drafts.open([(name, jsonl(row()))])
    assert draft.files == (name,) and draft.report.good_rows == 1
    assert {path.name for path in (drafts.folder / draft.id / "sources").iterdir()} == {"0000"}


def test_a_file_that_cannot_be_used_is_a_finding_with_words(drafts: Drafts, tmp_path: Path) -> None:
    draft = drafts.open([("a.pdf", b"%PDF-1.7"), tmp_path / "missing.jsonl"])
    assert draft.phase == "ready" and draft.report.good_rows == 0
    assert {one.code for one in draft.report.findings} == {"format_pdf", "no_such_file"}
    assert all(one.title and one.effect and one.advice and one.rows[0].detail for one in draft.report.findings)


def test_a_folder_of_files_is_one_draft(drafts: Drafts, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jsonl").write_bytes(jsonl(*rows(2)))
    (tmp_path / "in" / "2.csv").write_bytes(b"question,answer\nq,a\n")
    draft = drafts.open([tmp_path / "in"])
    assert (draft.files, draft.report.good_rows, draft.name) == (("1.jsonl", "2.csv"), 3, "in")


def test_packed_sources_are_small_only_unpacked(drafts: Drafts, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(drafts_module, "SMALL_BYTES", 1_000)
    draft = drafts.open([("a.jsonl.gz", gzip.compress(jsonl(*rows(100)))), ("b.jsonl", jsonl(row()))])
    assert drafts.wait(draft.id, 60).report.good_rows == 101


def shared_text_parquet(path: Path, rows: int, letters: int) -> Path:
    """All answers are one text, which the file holds once: some kB that unfold to `rows` times as much."""
    import pyarrow
    from pyarrow import parquet

    answers = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows), ["word " * (letters // 5)])
    table = pyarrow.table({"question": [f"Question {number}?" for number in range(rows)], "answer": answers})
    parquet.write_table(table, path, compression="zstd", store_schema=False)
    return path


def test_a_small_file_that_unfolds_is_not_read_in_this_process(drafts: Drafts, tmp_path: Path) -> None:
    import gzip

    path = shared_text_parquet(tmp_path / "a.parquet", 300, 1_000_000)
    assert path.stat().st_size < 20_000
    for source in (path, ("a.parquet.gz", gzip.compress(path.read_bytes()))):
        draft = drafts.open([source])
        assert draft.phase == "reading"
        assert draft.report.format.kind is FormatKind.QUESTION_ANSWER
        drafts.discard(draft.id)


def test_a_small_parquet_file_is_read_at_once(drafts: Drafts, tmp_path: Path) -> None:
    draft = drafts.open([shared_text_parquet(tmp_path / "a.parquet", 300, 500)])
    assert (draft.phase, draft.report.good_rows) == ("ready", 300)


def test_of_very_long_records_few_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(jsonl(*(row(answer="word " * 400_000) for _number in range(20))))
    assert 1 <= len(draft_heads.head_of([SourceFile(path, "long.jsonl")])) < 12


def test_a_parquet_file_that_unpacks_beyond_reason_is_not_looked_into(tmp_path: Path) -> None:
    path = shared_text_parquet(tmp_path / "a.parquet", 2, 80_000_000)
    assert may_be_huge(path) and draft_heads.head_of([SourceFile(path, "a")]) == []


def test_each_file_that_is_unclear_is_known_and_its_choice_is_remembered(drafts: Drafts) -> None:
    clear, unclear = ("a.jsonl", jsonl(row())), ("b.jsonl", jsonl({"x": "x", "y": "y"}, {"x": "x 2", "y": "y 2"}))
    draft = drafts.open([clear, unclear])
    [file] = draft.unclear
    assert (file.number, file.name, file.format.columns) == (1, "b.jsonl", ("x", "y"))
    assert drafts.first_records(draft.id, 1, 1) == [{"x": "x", "y": "y"}]
    form = RecordFormat(FormatKind.MAPPED, {"question": "y", "answer": "x"}, ("x", "y"))
    answered = drafts.use_mapping(draft.id, form)
    assert (answered.unclear, answered.report.good_rows) == ((), 3)
    assert [one.kind for one in answered.report.formats] == [FormatKind.MESSAGES, FormatKind.MAPPED]
    assert drafts.page(draft.id, 1, 1).rows[0][1].messages[0].content == "y"
    again = drafts.open([clear, unclear])
    assert (again.mappings, again.unclear) == ((form,), ())
    assert drafts.drop_mapping(draft.id, form).unclear == (file,)
    assert drafts.leave_out(draft.id, 1).files == ("a.jsonl",)
    assert drafts.leave_out(draft.id, 0).files == ("a.jsonl",), "the last one stays"
