"""Drafts: open at once, read in the background, changed by decisions, there after a restart, gone when discarded."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import orjson
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


ODD = ("odd.jsonl", jsonl({"x": "x", "y": "y"}, {"x": "x 2", "y": "y 2"}))
STRANGE = ("strange.csv", b"alpha;beta\nsea one blue;sky one grey\nsea two blue;sky two grey\n")
OF_ODD = RecordFormat(FormatKind.MAPPED, {"question": "y", "answer": "x"}, ("x", "y"))
OF_STRANGE = RecordFormat(FormatKind.MAPPED, {"question": "beta", "answer": "alpha"}, ("alpha", "beta"))


def test_files_with_other_columns_are_each_read_as_was_said_of_them(drafts: Drafts) -> None:
    draft = drafts.open([ODD, ("a.jsonl", jsonl(row())), STRANGE])
    assert [one.name for one in draft.unclear] == ["odd.jsonl", "strange.csv"]
    half = drafts.use_mapping(draft.id, OF_STRANGE)
    assert [one.name for one in half.unclear] == ["odd.jsonl"]
    assert [(one.number, one.name, one.format) for one in half.answered] == [(2, "strange.csv", OF_STRANGE)]
    whole = drafts.use_mapping(draft.id, OF_ODD)
    assert (whole.unclear, whole.report.good_rows) == ((), 5)
    assert whole.mappings == (OF_STRANGE, OF_ODD)
    asked = [one.messages[0].content for _number, one in drafts.page(draft.id, 0, 9).rows]
    assert asked == ["y", "y 2", row()["messages"][0]["content"], "sky one grey", "sky two grey"]
    other_way = RecordFormat(FormatKind.MAPPED, {"question": "alpha", "answer": "beta"}, ("beta", "alpha"))
    changed = drafts.use_mapping(draft.id, other_way)
    assert changed.mappings == (OF_ODD, other_way)
    assert drafts.page(draft.id, 3, 1).rows[0][1].messages[0].content == "sea one blue"
    assert Drafts(drafts.folder).get(draft.id) == changed


def test_all_that_is_remembered_of_the_columns_is_used(drafts: Drafts) -> None:
    first = drafts.open([ODD, STRANGE])
    for form in (OF_ODD, OF_STRANGE):
        drafts.use_mapping(first.id, form)
    again = drafts.open([STRANGE, ODD])
    assert (again.unclear, again.report.good_rows) == ((), 4)
    assert set(one.columns for one in again.mappings) == {OF_ODD.columns, OF_STRANGE.columns}
    dropped = drafts.drop_mapping(again.id, OF_ODD)
    assert [one.name for one in dropped.unclear] == ["odd.jsonl"] and dropped.mappings == (OF_STRANGE,)
    assert [one.name for one in drafts.open([ODD, STRANGE]).unclear] == ["odd.jsonl"], "it is forgotten"
    assert drafts.get(first.id).mappings == (OF_ODD, OF_STRANGE), "another draft keeps what was said in it"


def test_a_file_with_a_column_more_is_read_alike_until_it_is_said_otherwise(drafts: Drafts) -> None:
    wider = ("wider.jsonl", jsonl({"x": "x", "y": "y", "z": "z"}, {"x": "x 2", "y": "y 2", "z": "z 2"}))
    draft = drafts.open([ODD, wider])
    answered = drafts.use_mapping(draft.id, OF_ODD).answered
    assert [(one.format.fields, one.format.columns) for one in answered] == [
        (OF_ODD.fields, ("x", "y")),
        (OF_ODD.fields, ("x", "y", "z")),
    ]
    of_wider = RecordFormat(FormatKind.MAPPED, {"question": "z", "answer": "x"}, ("x", "y", "z"))
    said = drafts.use_mapping(draft.id, of_wider)
    assert [one.format for one in said.answered] == [OF_ODD, of_wider]
    assert [one.messages[0].content for _number, one in drafts.page(draft.id, 0, 9).rows] == ["y", "y 2", "z", "z 2"]
    back = drafts.drop_mapping(draft.id, of_wider)
    assert back.answered == answered
    assert [one.name for one in drafts.drop_mapping(draft.id, answered[1].format).unclear] == [
        "odd.jsonl",
        "wider.jsonl",
    ], "what both were read by"


def test_a_file_is_left_out_with_what_was_said_of_the_others(drafts: Drafts) -> None:
    draft = drafts.open([ODD, STRANGE, ("more.jsonl", ODD[1])])
    drafts.use_mapping(draft.id, OF_STRANGE)
    left = drafts.leave_out(draft.id, 0, 2)
    assert (left.files, left.unclear, left.report.good_rows) == (("strange.csv",), (), 2)
    assert drafts.leave_out(draft.id, 0, 1, 7).files == ("strange.csv",), "one stays"


def test_the_background_reads_each_file_as_was_said(drafts: Drafts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts_module, "SMALL_BYTES", 10)
    draft = drafts.open([ODD, STRANGE])
    assert [one.name for one in draft.unclear] == ["odd.jsonl", "strange.csv"], "known before the reading comes to them"
    for form in (OF_ODD, OF_STRANGE):
        drafts.use_mapping(draft.id, form)
    done = drafts.wait(draft.id, 60)
    assert (done.phase, done.report.good_rows, done.unclear) == ("ready", 4, ())
    assert [one.format for one in done.answered] == [OF_ODD, OF_STRANGE]


def test_a_folder_of_very_many_files_is_read_in_the_background(
    drafts: Drafts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drafts_module, "SMALL_FILES", 2)
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.jsonl").write_bytes(jsonl(row(f"Question {number}?")))
    draft = drafts.open([tmp_path / "in"])
    assert draft.phase == "reading" and drafts.wait(draft.id, 60).report.good_rows == 3


def test_a_file_beyond_those_that_are_looked_into_is_asked_about_by_its_name(
    drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft_heads, "LOOKED_AT", 1)
    draft = drafts.open([("a.jsonl", jsonl(row())), STRANGE])
    [file] = draft.unclear
    assert (file.number, file.name, file.format.columns) == (1, "strange.csv", ("alpha", "beta"))
    assert drafts.use_mapping(draft.id, OF_STRANGE).report.good_rows == 3
    assert drafts.leave_out(draft.id, 1).files == ("a.jsonl",)


@pytest.mark.parametrize("said", [None, OF_ODD])
def test_a_draft_of_before_there_were_several_mappings_still_opens(drafts: Drafts, said: RecordFormat | None) -> None:
    draft = drafts.open([ODD])
    if said is not None:
        draft = drafts.use_mapping(draft.id, said)
    path = drafts.folder / draft.id / "draft.json"
    facts = orjson.loads(path.read_bytes())
    [*mappings] = facts.pop("mappings")
    path.write_bytes(orjson.dumps({**facts, "mapping": mappings[0] if mappings else None}))
    report = folder_of(drafts, draft.id) / "report.json"
    kept = orjson.loads(report.read_bytes())
    del kept["read_as"]
    report.write_bytes(orjson.dumps(kept))
    assert drafts.get(draft.id) == draft
    assert drafts.use_mapping(draft.id, OF_STRANGE).mappings == (*draft.mappings, OF_STRANGE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 300,
        b"\xff{",
        b"[]",
        b"null",
        b"{}",
        b"[" * 5_000,
        b'{"name": "a", "sources": ["x"]}',
        b'{"name": "a", "sources": [], "decisions": []}',
        b'{"name": "a", "sources": [], "decisions": {"a": "perhaps"}}',
        b'{"name": "a", "sources": [], "mapping": {"kind": "of another version"}}',
        b'{"name": "a", "sources": [], "mappings": [5]}',
    ],
)
def test_a_damaged_draft_is_listed_and_can_be_discarded(drafts: Drafts, content: bytes) -> None:
    good, bad = drafts.open([ODD]), drafts.open([STRANGE])
    (drafts.folder / bad.id / "draft.json").write_bytes(content)
    listed = drafts.list()
    assert [(one.id, one.phase) for one in listed] == [(good.id, "ready"), (bad.id, "damaged")]
    failure = listed[1].failure
    assert failure is not None and failure.code == "draft_damaged" and failure.how_to_fix
    with pytest.raises(PhiDeskError):
        drafts.page(bad.id, 0, 5)
    drafts.discard(bad.id)
    assert [one.id for one in drafts.list()] == [good.id]


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.just("fix"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "sources", "mapping", "mappings", "decisions", "path", "kind", "unclear"]),
                inner,
            )
        ),
    )
)
def test_whatever_a_draft_json_holds_the_list_goes_on(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, object]
) -> None:
    drafts = Drafts(tmp_path_factory.getbasetemp() / "drafts-of-anything")
    place = drafts.folder / ("0" * 12)
    place.mkdir(parents=True, exist_ok=True)
    (place / "draft.json").write_bytes(orjson.dumps(facts))
    [draft] = drafts.list()
    assert draft.id == place.name and draft.phase in {"damaged", "failed", "reading"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"rows": 1}', b'{"report": {"format": {"kind": "of another version"}}}']
)
def test_a_damaged_working_copy_is_said_and_read_again(drafts: Drafts, content: bytes) -> None:
    draft = drafts.open([("a.jsonl", jsonl(*rows(3)))])
    (folder_of(drafts, draft.id) / "report.json").write_bytes(content)
    [found] = drafts.list()
    assert found.phase == "failed" and found.failure is not None and found.failure.code == "copy_damaged"
    with pytest.raises(PhiDeskError):
        drafts.working_copy(draft.id)
    assert drafts.read_again(draft.id).report == draft.report
