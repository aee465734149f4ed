"""A draft: the verdict, what was recognised, deciding about findings, the mapping form, and what stays text."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain import BUILT_IN_MODEL
from backend.domain_datasets import (
    Decision,
    Draft,
    Examination,
    Finding,
    FormatKind,
    FoundRow,
    Severity,
    SplitChoice,
)
from backend.errors import Conflict
from backend.studio import examination
from streamlit_app import session
from streamlit_app.ui import findings_view
from streamlit_app.ui.column_form import column_key
from streamlit_app.ui.draft_state import DraftState, what_is_missing
from tests.contract.waiting import wait_until
from tests.pages.conftest import FakeDesk, Open, primary_buttons, texts
from tests.pages.test_dataset_page import GOOD, row

HOSTILE = "<img src=x onerror=alert(1)> ![x](http://evil.example/x.png) :red[x]"
EMPTY_ANSWER = row("And?", "").encode()
BAD = GOOD + b"\n" + b"\n".join([b'{"messages": []}', b"not json", EMPTY_ANSWER, EMPTY_ANSWER])
UNCLEAR = b"Spalte A,Spalte B\n" + b"".join(b"Satz %d steht hier,Und %d steht dort\n" % (n, n) for n in range(12))


SPALTEN = ("Spalte A", "Spalte B")


def opened(open_page: Open, desk: FakeDesk, content: bytes, name: str = "mine.jsonl") -> tuple[AppTest, Draft]:
    draft = desk.datasets.drafts.open([(name, content)])
    return open_page("dataset", draft=draft.id), draft


def keys(page: AppTest) -> set[str]:
    return {str(button.key) for button in page.button}


def test_bad_rows_must_be_decided_about_before_anything_is_saved(open_page: Open, desk: FakeDesk) -> None:
    page, _draft = opened(open_page, desk, BAD)
    assert "10 examples can teach, 4 can't: fix or skip them below." in texts(page)
    save = page.button(key="save_dataset")
    assert save.disabled
    assert save.label == "Decide about 4 examples first"
    page.button(key="draft_fix_content_empty").click().run()
    page.button(key="draft_skip_all").click().run()
    assert "examples can teach" in texts(page)
    save = page.button(key="save_dataset")
    assert not save.disabled
    assert save.label.startswith("Use 10 good examples, skip ")
    save.click().run()
    assert not page.exception
    [dataset] = desk.datasets.list()
    assert dataset.train_rows + dataset.eval_rows == 10


def test_every_finding_says_what_where_and_what_can_be_done(open_page: Open, desk: FakeDesk) -> None:
    page, draft = opened(open_page, desk, BAD)
    said = texts(page)
    for finding in draft.report.findings:
        assert finding.title in said
        assert finding.effect in said
        assert {f"draft_skip_{finding.code}"} <= keys(page)
        assert f"draft_keep_{finding.code}" not in keys(page), "what is refused can't be left as it is"
    where = next(frame.value for frame in page.dataframe if "Excerpt" in frame.value.columns and len(frame.value) == 2)
    assert list(where["Line"]) == ["13", "14"]


def test_a_decision_is_undone(open_page: Open, desk: FakeDesk) -> None:
    page, draft = opened(open_page, desk, BAD)
    page.button(key="draft_skip_not_json").click().run()
    assert desk.datasets.drafts.get(draft.id).decisions == {"not_json": Decision.SKIP}
    assert "Will be skipped" in texts(page)
    page.button(key="draft_undo_not_json").click().run()
    assert desk.datasets.drafts.get(draft.id).decisions == {}
    assert "draft_skip_not_json" in keys(page)


def test_all_examples_of_a_finding_are_read_page_by_page(open_page: Open, desk: FakeDesk) -> None:
    mails = [row(f"Who helps at pier {number}?", f"Write to pier{number}@larkhaven.org.") for number in range(1030)]
    draft = desk.datasets.drafts.open([("mails.jsonl", b"\n".join([GOOD, *map(str.encode, mails)]))])
    page = open_page("dataset", draft=draft.id)
    page.session_state["draft_look_mail_addresses"] = True
    page.run()
    found = next(
        frame for frame in page.dataframe if list(frame.value.columns) == ["Line", "First question", "Answer to it"]
    )
    assert list(found.value["Line"]) == list(range(11, 31))
    page.session_state["draft_found_mail_addresses_page"] = 52
    page.run()
    found = next(
        frame for frame in page.dataframe if list(frame.value.columns) == ["Line", "First question", "Answer to it"]
    )
    assert list(found.value["Line"]) == list(range(1031, 1041))
    assert not page.exception
    assert desk.datasets.drafts.page(draft.id, 0, 9, "pier 1029?", [5, 1039]).rows[0][0] == 1039
    assert desk.datasets.draft_rows_of(draft.id, "nothing") == []


def test_a_fix_that_mends_nothing_can_be_undone(open_page: Open, desk: FakeDesk) -> None:
    page, draft = opened(open_page, desk, GOOD + b'\n{"messages": [{"role": "user"')
    [finding] = draft.report.findings
    page.button(key=f"draft_fix_{finding.code}").click().run()
    assert "Nothing was fixed" in texts(page)
    assert "draft_skip_not_mended" in keys(page)
    page.button(key=f"draft_undo_{finding.code}").click().run()
    assert desk.datasets.drafts.get(draft.id) == draft
    assert f"draft_fix_{finding.code}" in keys(page)


def test_content_checks_are_decided_about_too(open_page: Open, desk: FakeDesk) -> None:
    content = (
        GOOD + b"\n" + row("Who helps?", "Write to ada@larkhaven-ferries.org or call.").encode() + b"\n" + GOOD[:400]
    )
    page, draft = opened(open_page, desk, content[: content.rindex(b"\n")])
    found = desk.datasets.examine_draft(draft.id).findings
    mail = next(one for one in found if "mail" in one.code)
    assert page.button(key="save_dataset").label == f"Use {draft.report.good_rows} examples"
    page.button(key=f"draft_skip_{mail.code}").click().run()
    assert page.button(key="save_dataset").label == f"Use {draft.report.good_rows - 1} good examples, skip 1"
    page.button(key=f"draft_undo_{mail.code}").click().run()
    page.button(key=f"draft_fix_{mail.code}").click().run()
    page.button(key="save_dataset").click().run()
    [dataset] = desk.datasets.list()
    told = Path(dataset.train_path).read_text() + Path(dataset.eval_path).read_text()
    assert "ada@larkhaven-ferries.org" not in told
    assert "Write to" in told


def test_an_alpaca_file_is_recognised_in_one_sentence(open_page: Open, desk: FakeDesk) -> None:
    rows = [{"instruction": f"Say {n}", "input": "", "output": f"It is {n}."} for n in range(5)]
    page, _draft = opened(open_page, desk, json.dumps(rows).encode(), "alpaca.json")
    assert "Alpaca: the question is in instruction and input, the answer in output." in texts(page)
    assert "5 examples can teach." in texts(page)


def test_unclear_columns_are_asked_about_and_remembered(open_page: Open, desk: FakeDesk) -> None:
    page, draft = opened(open_page, desk, UNCLEAR, "unclear.csv")
    assert [button.key for button in primary_buttons(page)] == ["draft_use_mapping"]
    assert "save_dataset" not in keys(page)
    page.selectbox(key=column_key("question", SPALTEN)).set_value("Spalte B").run()
    page.selectbox(key=column_key("answer", SPALTEN)).set_value("Spalte A").run()
    shown = [text.value for text in page.text]
    assert shown[:2] == ["Und 0 steht dort", "Satz 0 steht hier"]
    page.button(key="draft_use_mapping").click().run()
    assert "12 examples can teach." in texts(page)
    form = desk.datasets.drafts.get(draft.id).report.format
    assert form.kind is FormatKind.MAPPED
    assert dict(form.fields) == {"question": "Spalte B", "answer": "Spalte A"}
    page, _again = opened(open_page, desk, UNCLEAR, "again.csv")
    assert "12 examples can teach." in texts(page)


def test_of_several_files_only_the_unclear_one_is_asked_about(open_page: Open, desk: FakeDesk) -> None:
    def open_both() -> AppTest:
        return open_page("dataset", draft=desk.datasets.drafts.open([("chats.jsonl", GOOD), ("b.csv", UNCLEAR)]).id)

    page = open_both()
    assert "What do the columns of b.csv mean?" in texts(page)
    assert "The other file is recognised." in texts(page)
    assert "Messages: the column messages holds whole conversations." in texts(page)
    assert page.selectbox(key=column_key("question", SPALTEN)).options == ["Spalte A", "Spalte B"]
    assert "Satz 0 steht hier" in [text.value for text in page.text]
    page.button(key="draft_use_mapping").click().run()
    assert "22 examples can teach." in texts(page)
    assert "Your choice of columns: the question is in Spalte A, the answer in Spalte B." in texts(page)
    assert "22 examples can teach." in texts(open_both()), "it is remembered"


def test_an_unclear_file_is_left_out(open_page: Open, desk: FakeDesk) -> None:
    other = UNCLEAR.replace(b"Spalte", b"Kolom")
    draft = desk.datasets.drafts.open([("a.csv", UNCLEAR), ("chats.jsonl", GOOD), ("b.csv", other)])
    page = open_page("dataset", draft=draft.id)
    page.button(key="draft_use_mapping").click().run()
    assert "What do the columns of b.csv mean?" in texts(page)
    page.button(key="draft_leave_out").click().run()
    assert "22 examples can teach." in texts(page)
    assert desk.datasets.drafts.get(draft.id).files == ("a.csv", "chats.jsonl")


def test_one_unclear_file_is_asked_about_after_the_other(open_page: Open, desk: FakeDesk) -> None:
    kolom = UNCLEAR.replace(b"Spalte", b"Kolom")
    files = [("a.csv", UNCLEAR), ("chats.jsonl", GOOD), ("b.csv", kolom), ("c.csv", kolom)]
    draft = desk.datasets.drafts.open(files)
    page = open_page("dataset", draft=draft.id)
    assert "What do the columns of a.csv mean?" in texts(page)
    assert "After this one, 1 more file has other columns that are unclear." in texts(page)
    assert "draft_leave_all_out" not in keys(page)
    page.button(key="draft_use_mapping").click().run()
    said = texts(page)
    assert "What do the columns of b.csv mean?" in said
    assert "1 more file has the same columns and is read the same way." in said
    assert "After this one" not in said
    assert "the question is in Spalte A, the answer in Spalte B." in said, "what was said is seen"
    assert "The other file is recognised." in said
    kolommen = ("Kolom A", "Kolom B")
    page.selectbox(key=column_key("question", kolommen)).set_value("Kolom B").run()
    page.selectbox(key=column_key("answer", kolommen)).set_value("Kolom A").run()
    page.button(key="draft_use_mapping").click().run()
    assert "46 examples can teach." in texts(page)
    assert [dict(one.format.fields)["question"] for one in desk.datasets.drafts.get(draft.id).answered] == [
        "Spalte A",
        "Kolom B",
        "Kolom B",
    ]
    again = desk.datasets.drafts.open(files)
    assert "46 examples can teach." in texts(open_page("dataset", draft=again.id)), "both are remembered"


def test_what_was_said_of_one_file_is_changed_while_another_is_asked_about(open_page: Open, desk: FakeDesk) -> None:
    kolom = UNCLEAR.replace(b"Spalte", b"Kolom")
    draft = desk.datasets.drafts.open([("a.csv", UNCLEAR), ("b.csv", kolom), ("c.csv", kolom)])
    page = open_page("dataset", draft=draft.id)
    page.button(key="draft_use_mapping").click().run()
    page.session_state["draft_mapping"] = True
    page.run()
    page.selectbox(key=column_key("question", SPALTEN)).set_value("Spalte B").run()
    assert "The column Spalte B is chosen twice." in texts(page)
    assert page.button(key="draft_change_mapping").disabled
    page.selectbox(key=column_key("answer", SPALTEN)).set_value("Spalte A").run()
    page.button(key="draft_change_mapping").click().run()
    assert not page.exception
    assert "the question is in Spalte B, the answer in Spalte A." in texts(page)
    page.button(key="draft_drop_mapping").click().run()
    assert "What do the columns of a.csv mean?" in texts(page)
    page.button(key="draft_use_mapping").click().run()
    page.button(key="draft_leave_all_out").click().run()
    assert desk.datasets.drafts.get(draft.id).files == ("a.csv",)
    assert "12 examples can teach." in texts(page)


def test_a_damaged_draft_is_listed_and_can_be_discarded(open_page: Open, desk: FakeDesk) -> None:
    good = desk.datasets.drafts.open([("good.jsonl", GOOD)])
    damaged = desk.datasets.drafts.open([("bad.jsonl", GOOD)])
    (desk.datasets.drafts.folder / damaged.id / "draft.json").write_bytes(b'{"name": ')
    page = open_page("dataset")
    assert not page.exception
    assert {f"discard_{good.id}", f"discard_{damaged.id}"} <= keys(page)
    assert "They can only be discarded." in texts(page)
    page = open_page("dataset", draft=damaged.id)
    assert "What was kept of these files can't be read." in texts(page)
    assert "save_dataset" not in keys(page)
    page.button(key="discard_draft").click().run()
    page.button(key="discard_yes").click().run()
    assert [draft.id for draft in desk.datasets.drafts.list()] == [good.id]


def test_a_choice_of_columns_is_forgotten_when_it_is_not_to_be_kept(open_page: Open, desk: FakeDesk) -> None:
    page, _draft = opened(open_page, desk, UNCLEAR, "unclear.csv")
    page.checkbox(key="draft_remember_use").set_value(False).run()
    page.button(key="draft_use_mapping").click().run()
    assert "12 examples can teach." in texts(page)
    page, _again = opened(open_page, desk, UNCLEAR, "again.csv")
    assert "draft_use_mapping" in keys(page)


def test_examples_are_searched_and_turned_page_by_page(open_page: Open, desk: FakeDesk) -> None:
    rows = "\n".join(row(f"Where is pier {n}?", f"Pier {n} is by the wall.") for n in range(130))
    page, _draft = opened(open_page, desk, rows.encode())
    assert len(page.dataframe[-1].value) == 50
    page.get("pagination")[0].set_value(3).run()
    assert list(page.dataframe[-1].value["Line"]) == list(range(101, 131))
    page.text_input(key="draft_search").set_value("PIER 77").run()
    assert list(page.dataframe[-1].value["Line"]) == [78]
    page.text_input(key="draft_search").set_value("no such words").run()
    assert "No example says that." in texts(page)
    assert not page.exception


def test_a_single_row_is_told_before_it_is_saved(open_page: Open, desk: FakeDesk) -> None:
    page, _draft = opened(open_page, desk, row("Only one?").encode())
    assert "Only one example" in texts(page)
    assert page.button(key="save_dataset").label == "Two examples are needed"
    assert page.button(key="save_dataset").disabled
    page.radio(key="eval_way").set_value("file").run()
    page.file_uploader(key="eval_upload").upload("check.jsonl", row("Other?").encode()).run()
    page.button(key="save_dataset").click().run()
    assert desk.datasets.list()[0].train_rows == 1


def test_nothing_in_a_file_is_read_as_markdown(open_page: Open, desk: FakeDesk) -> None:
    content = f"{HOSTILE} one,{HOSTILE} two\n".encode() + b"".join(b"Text %d,Word %d\n" % (n, n) for n in range(9))
    page, _draft = opened(open_page, desk, content + f"{HOSTILE},{HOSTILE}\n".encode(), f"{HOSTILE}.csv")
    if "draft_use_mapping" in keys(page):
        page.button(key="draft_use_mapping").click().run()
    assert not page.exception
    drawn = [element.value for kind in (page.title, page.header, page.caption, page.markdown) for element in kind]
    drawn += [str(element.value) for kind in (page.warning, page.error, page.success, page.info) for element in kind]
    drawn += [str(button.label) for button in page.button]
    assert any("onerror" in text for text in drawn)
    for text in drawn:
        assert not re.search(r"(?<!\\)(<img|!\[|:red\[)", text), text


def test_hostile_names_of_files_are_text_where_their_columns_are_told(open_page: Open, desk: FakeDesk) -> None:
    kolom = UNCLEAR.replace(b"Spalte", b"Kolom")
    draft = desk.datasets.drafts.open([(f"{HOSTILE}**.csv", UNCLEAR), (f"{HOSTILE}\n# b.csv", kolom)])
    page = open_page("dataset", draft=draft.id)
    for _number in range(2):
        page.button(key="draft_use_mapping").click().run()
        page.session_state["draft_mapping"] = True
        page.run()
        assert not page.exception
        drawn = [one.value for kind in (page.header, page.subheader, page.caption, page.markdown) for one in kind]
        assert any("onerror" in text for text in drawn)
        for text in drawn:
            assert not re.search(r"(?<!\\)(<img|!\[|:red\[)|^# ", text, re.MULTILINE), text


def test_a_draft_that_is_gone_is_told(open_page: Open, desk: FakeDesk) -> None:
    page = open_page("dataset", draft="0123456789ab")
    assert "There is no draft 0123456789ab." in texts(page)
    assert "back" in keys(page)


def test_a_large_file_shows_its_first_rows_while_it_is_read(open_page: Open, desk: FakeDesk, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for number in range(9000):
            file.write(row(f"Where is pier {number}?", "By the wall. " * 80) + "\n")
    draft = desk.datasets.drafts.open([path])
    page = open_page("dataset", draft=draft.id)
    assert not page.exception
    assert list(page.dataframe[-1].value["Line"])[:2] == [1, 2]
    wait_until(lambda: desk.datasets.drafts.get(draft.id).phase == "ready", "all of it is read", 120)
    page.run()
    assert page.button(key="save_dataset").label.endswith("9,000 examples")
    desk.datasets.drafts.discard(draft.id)


def finding(severity: Severity, count: int, decision: Decision | None = None, code: str = "a") -> Finding:
    rows = (FoundRow("f", 1, "what", part="rows", number=1), FoundRow("f", 2, "what", part="rows", number=2))
    return Finding(code, severity, "Title", "Effect", count, rows[:count], "Fixes.", "Skips.", decision=decision)


def test_how_many_is_said_once() -> None:
    assert findings_view._places(replace(finding(Severity.HINT, 2), title="2 answers are cut off")) == ""
    assert findings_view._places(replace(finding(Severity.HINT, 2), title="Longer than 2,048 tokens")) == "2 examples"
    assert findings_view._places(finding(Severity.HINT, 2)) == "2 examples"


def test_findings_that_must_be_decided_come_first() -> None:
    findings = [
        finding(Severity.HINT, 9, code="hint"),
        finding(Severity.WARNING, 2, code="warning"),
        finding(Severity.REFUSED, 1, Decision.FIX, code="decided"),
        finding(Severity.REFUSED, 1, code="open"),
    ]
    assert [one.code for one in findings_view.in_order(findings)] == ["open", "decided", "warning", "hint"]
    assert [one.code for one in findings_view.undecided(findings)] == ["open"]


def test_a_row_that_two_checks_skip_counts_once(open_page: Open, desk: FakeDesk) -> None:
    both = row("Who helps?", "Write to ada@larkhaven-ferries.org or call +49 711 1234567.").encode()
    page, _draft = opened(open_page, desk, b"\n".join([*GOOD.split(b"\n")[:3], both]))
    for code in ("mail_addresses", "phone_numbers"):
        page.button(key=f"draft_skip_{code}").click().run()
    assert page.button(key="save_dataset").label == "Use 3 good examples, skip 1"


def test_what_can_be_saved_is_told_by_what_is_left(desk: FakeDesk) -> None:
    for rows, expected in ((3, "Two examples are needed"), (4, ""), (2, "There is no example to save")):
        draft = desk.datasets.drafts.open([("a.jsonl", b"\n".join(GOOD.split(b"\n")[:rows]))])
        state = DraftState(draft, Examination("done", 1.0), left_out=2)
        assert state.good == rows - 2
        assert what_is_missing(state) == expected


LONG = "It leaves from the pier behind the old market hall, every hour. " * 40


def lengths_page(open_page: Open, desk: FakeDesk, rows: list[str]) -> tuple[AppTest, Draft]:
    """A draft whose tokens are counted, with a maximum length of 128."""
    draft = desk.datasets.drafts.open([("long.jsonl", "\n".join(rows).encode())])
    os.utime(desk.datasets.drafts.working_copy(draft.id).path, (1, 1))  # it was read long ago
    wait_until(lambda: desk.datasets.measure_draft_tokens(draft.id, BUILT_IN_MODEL).is_final, "they are counted", 120)
    page = open_page("dataset", draft=draft.id)
    page.session_state["dataset_length"] = page.session_state[session.CHOSEN_LENGTH] = 128
    return page.run(), draft


def test_what_a_maximum_length_cuts_is_told_and_skipped_before_saving(open_page: Open, desk: FakeDesk) -> None:
    rows = [*GOOD.decode().split("\n"), row("From where?", LONG), row("And where to? " + LONG, "To the island.")]
    page, _draft = lengths_page(open_page, desk, rows)
    said = texts(page)
    assert "2 answers are cut off" in said
    assert "answer tokens" in said
    assert "Nothing to learn within the maximum length" in said
    assert page.button(key="save_dataset").label == "Decide about 1 example first"
    assert "draft_lengths_keep_no_trainable_tokens" not in keys(page), "what is refused can't be left as it is"
    lines = {frame.value["Line"][0] for frame in page.dataframe if "What" in frame.value.columns}
    assert lines == {"11", "12"}
    page.button(key="draft_lengths_skip_no_trainable_tokens").click().run()
    assert page.button(key="save_dataset").label == "Use 11 good examples, skip 1"
    page.button(key="draft_lengths_keep_answers_cut").click().run()
    page.button(key="draft_lengths_skip_over_long").click().run()
    assert page.button(key="save_dataset").label == "Use 10 good examples, skip 2"
    page.button(key="draft_lengths_undo_over_long").click().run()
    page.button(key="save_dataset").click().run()
    assert not page.exception
    [dataset] = desk.datasets.list()
    saved = Path(dataset.train_path).read_text() + Path(dataset.eval_path).read_text()
    assert (saved.count("From where?"), saved.count("And where to?")) == (1, 0)


def kill(folder: Path) -> None:
    """The process that works in the folder, as a machine short of memory would."""
    facts = wait_until(
        lambda: (folder / "process.json").exists() and json.loads((folder / "process.json").read_bytes()), "it runs"
    )
    os.kill(facts["pid"], signal.SIGKILL)


def test_a_counting_that_died_is_told_and_begun_again(open_page: Open, desk: FakeDesk) -> None:
    draft = desk.datasets.drafts.open([("mine.jsonl", GOOD)])
    rows = desk.datasets.drafts.working_copy(draft.id).path
    os.utime(rows, (1, 1))  # it was read long ago
    desk.datasets.measure_draft_tokens(draft.id, BUILT_IN_MODEL)
    [work] = (rows.parent / "tokens").iterdir()
    kill(work)
    wait_until(lambda: desk.datasets.measure_draft_tokens(draft.id, BUILT_IN_MODEL).failure, "its end is told")
    page = open_page("dataset", draft=draft.id)
    assert "The work ended without a word." in texts(page)
    assert not page.button(key="save_dataset").disabled, "it can be saved all the same"
    page.button(key="draft_count_again").click().run()
    wait_until(lambda: desk.datasets.measure_draft_tokens(draft.id, BUILT_IN_MODEL).is_final, "they are counted", 120)
    assert "tokens nothing is cut off." in texts(page.run())


def test_checks_that_died_are_told_and_begun_again(
    open_page: Open, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "SMALL_BYTES", 0)
    draft = desk.datasets.drafts.open([("mine.jsonl", GOOD)])
    desk.datasets.examine_draft(draft.id)
    kill(desk.datasets.drafts.working_copy(draft.id).folder / "examination")
    wait_until(lambda: desk.datasets.examine_draft(draft.id).failure, "its end is told")
    page = open_page("dataset", draft=draft.id)
    page.button(key="draft_check_again").click().run()
    wait_until(lambda: desk.datasets.examine_draft(draft.id).phase == "done", "the checks are done", 120)
    assert "draft_check_again" not in keys(page.run())


def test_a_decision_about_lengths_waits_for_the_counting(desk: FakeDesk) -> None:
    draft = desk.datasets.drafts.open([("a.jsonl", GOOD)])
    desk.datasets.decide_content(draft.id, "over_long", Decision.SKIP)
    with pytest.raises(Conflict):
        desk.datasets.save_draft(draft.id, "A", SplitChoice())
    desk.datasets.decide_content(draft.id, "over_long", None)
    assert desk.datasets.save_draft(draft.id, "A", SplitChoice()).train_rows == 8
