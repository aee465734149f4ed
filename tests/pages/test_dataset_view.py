"""The page of a saved dataset: looking at its examples and figures, changing it, taking it elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st_
from streamlit.testing.v1 import AppTest

from backend.domain import BUILT_IN_MODEL, Dataset, Message
from backend.errors import NotFound
from backend.studio import background_process
from backend.studio.file_lock import locked
from backend.studio.token_table import Bin
from streamlit_app.ui import dataset_changes, dataset_export, marked_text, text_changes, token_charts
from streamlit_app.ui.dataset_base import lengths_for
from streamlit_app.ui.marked_text import Mark, Piece
from tests.contract.waiting import wait_until
from tests.pages.conftest import FakeDesk, Open, primary_buttons, texts
from tests.pages.marked_html import read_marked

HOSTILE = "<img src=x onerror=alert(1)> **bold** ![x](http://evil.example/x.png)"


def messages(question: str, answer: str, system: str = "") -> list[dict[str, str]]:
    start = [{"role": "system", "content": system}] if system else []
    return [*start, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def saved(desk: FakeDesk, rows: list[list[dict[str, str]]], name: str = "Data") -> Dataset:
    """Split so that only the last of the examples is held out."""
    train = "\n".join(json.dumps({"messages": row}) for row in rows[:-1]).encode()
    held_out = json.dumps({"messages": rows[-1]}).encode()
    return desk.datasets.create_from_file(train, name, eval_source=held_out)


@pytest.fixture
def plain(desk: FakeDesk) -> Dataset:
    rows = [messages(f"Where is pier {number}?", f"Pier {number} is by the harbour wall.") for number in range(120)]
    rows[7] = messages("Which ferry is green?", "The Puffin.", system="You know ferries.")
    return saved(desk, rows)


def row(desk: FakeDesk, dataset: Dataset, number: int, part: str = "train") -> tuple[Message, ...]:
    return desk.datasets.page(dataset.id, part, number, 1).rows[0][1].messages


def table(page: AppTest) -> list[int]:
    return list(page.dataframe[0].value["Example"])


def progress(page: AppTest) -> str:
    return "\n".join(element.proto.text for element in page.get("progress"))


def write(page: AppTest, text: str, turn: int = 1) -> AppTest:
    page.text_area(key=f"turn_text_{turn}").set_value(text)
    return page.button(key="save_example").click().run()


def test_the_link_says_which_section_part_and_example(open_page: Open, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, part="train", example="8")
    assert "Which ferry is green?" in texts(page)
    assert "You know ferries." in texts(page)
    page.segmented_control(key="dataset_view").set_value("versions").run()
    assert page.query_params["view"] == "versions"
    assert "As it was added." in texts(page)
    assert not page.exception


@pytest.mark.parametrize("wanted", ["0", "121", "²"])
def test_a_link_to_an_example_that_is_not_there_shows_the_table(open_page: Open, plain: Dataset, wanted: str) -> None:
    page = open_page("dataset", dataset=plain.id, view="nowhere", part="none", example=wanted)
    assert table(page)[:2] == [1, 2]
    assert "Select an example" in texts(page)
    assert not page.exception


def test_any_page_and_any_example_is_reached_by_its_number(open_page: Open, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, example="1")
    page.number_input(key="example_number").set_value(119).run()
    assert "Where is pier 118?" in texts(page)
    assert table(page)[0] == 101
    assert page.query_params["example"] == "119"
    for number in (3, 4, 60, 5, 4, 119, 1):
        page.number_input(key="example_number").set_value(number).run()
        assert not page.exception
        assert number in table(page)
        assert f"Example {number}" in texts(page)


def test_a_link_to_an_example_opens_the_table_at_it(open_page: Open, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, example="77")
    assert table(page)[0] == 51
    page.query_params["example"] = "2"
    page.run()
    assert "Where is pier 1?" in texts(page)
    assert not page.exception


def test_a_search_looks_into_whole_texts_and_a_filter_at_turns_and_system_prompts(
    open_page: Open, plain: Dataset
) -> None:
    page = open_page("dataset", dataset=plain.id)
    page.text_input(key="row_search").set_value("puffin").run()
    assert table(page) == [8]
    assert "1 example found" in texts(page)
    page.radio(key="filter_system").set_value("without").run()
    assert "No example has all of this." in texts(page)
    page.button(key="show_all").click().run()
    assert len(table(page)) == 50


def test_an_edited_example_is_a_new_version_that_undo_takes_back(
    open_page: Open, desk: FakeDesk, plain: Dataset
) -> None:
    page = open_page("dataset", dataset=plain.id, example="3")
    page.button(key="edit_row").click().run()
    assert [button.key for button in primary_buttons(page)] == ["save_example"]
    write(page, "Pier 2 is on the island.")
    assert "Example 3 changed. Version 2." in texts(page)
    assert row(desk, plain, 2)[1].content == "Pier 2 is on the island."
    page.button(key="undo_change").click().run()
    assert row(desk, plain, 2)[1].content == "Pier 2 is by the harbour wall."
    assert desk.datasets.versions(plain.id).current.number == 3
    assert "undo_change" not in {button.key for button in page.button}


def test_turns_can_be_added_and_removed_while_one_writes(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, example="1")
    page.button(key="edit_row").click().run()
    page.text_area(key="turn_text_1").set_value("Typed before.")
    page.button(key="add_turn").click().run()
    page.text_area(key="turn_text_2").set_value("And pier 9?")
    page.button(key="add_turn").click().run()
    page.text_area(key="turn_text_3").set_value("Far away.")
    page.button(key="add_turn").click().run()
    page.button(key="remove_turn_4").click().run()
    page.button(key="save_example").click().run()
    assert [message.role for message in row(desk, plain, 0)] == ["user", "assistant", "user", "assistant"]
    assert [message.content for message in row(desk, plain, 0)][1:] == ["Typed before.", "And pier 9?", "Far away."]


def test_an_example_that_breaks_the_rules_is_explained_and_what_was_typed_stays(
    open_page: Open, desk: FakeDesk, plain: Dataset
) -> None:
    page = open_page("dataset", dataset=plain.id, example="1")
    page.button(key="edit_row").click().run()
    page.text_area(key="turn_text_0").set_value("A long new question?")
    write(page, "  ")
    assert page.error
    assert page.text_area(key="turn_text_0").value == "A long new question?"
    assert desk.datasets.get(plain.id).version == 1
    page.button(key="cancel_edit").click().run()
    assert "Where is pier 0?" in texts(page)


def test_an_added_example_is_shown_and_a_deleted_one_is_gone(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id)
    page.button(key="add_example").click().run()
    page.text_area(key="turn_text_0").set_value("Is there a lift?")
    write(page, "Yes, at pier 4.")
    assert "Example 120 added. Version 2." in texts(page)
    assert "Yes, at pier 4." in texts(page)
    page.button(key="delete_row").click().run()
    assert "Example 120 deleted. Version 3." in texts(page)
    assert desk.datasets.get(plain.id).train_rows == 119


def test_a_change_of_another_example_in_another_window_is_no_clash(
    open_page: Open, desk: FakeDesk, plain: Dataset
) -> None:
    page = open_page("dataset", dataset=plain.id, example="3")
    page.button(key="edit_row").click().run()
    desk.datasets.versions(plain.id).edit("train", 50, row(desk, plain, 7))
    write(page, "Mine.")
    assert "Example 3 changed. Version 3." in texts(page)
    assert row(desk, plain, 50) == row(desk, plain, 7)


def test_a_change_of_much_shows_its_progress_and_is_told_when_it_is_done(
    open_page: Open, desk: FakeDesk, plain: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_changes, "AT_ONCE_BYTES", 0)
    place = desk.datasets.versions(plain.id).place
    page = open_page("dataset", dataset=plain.id, example="3")
    page.button(key="edit_row").click().run()
    with locked(place / ".lock"):  # nobody can finish a change meanwhile
        write(page, "Mine.")
        assert "Writing version 2 of 120 examples" in progress(page)
        assert {"train_with", "save_example"}.isdisjoint({button.key for button in page.button})
        other = open_page("dataset", dataset=plain.id, view="versions")
        assert "Writing version 2 of 120 examples" in progress(other)
    wait_until(lambda: desk.datasets.get(plain.id).version == 2, "the change is made")
    wait_until(lambda: dataset_changes._work().get(plain.id) is None, "its thread ends")
    page.run()
    assert "Example 3 changed. Version 2." in texts(page)
    assert "Mine." in texts(page)
    assert not page.exception


def test_a_clash_of_a_change_with_progress_loses_nothing_typed(
    open_page: Open, desk: FakeDesk, plain: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_changes, "AT_ONCE_BYTES", 0)
    page = open_page("dataset", dataset=plain.id, example="3")
    page.button(key="edit_row").click().run()
    desk.datasets.versions(plain.id).edit("train", 2, row(desk, plain, 7))
    write(page, "Mine.")
    wait_until(lambda: dataset_changes._work().get(plain.id) is None, "its thread ends")
    page.run()
    assert "Example 3 was changed in another window." in texts(page)
    assert page.text_area(key="turn_text_1").value == "Mine."


def test_a_clash_is_said_and_what_was_typed_can_still_be_saved(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, example="3")
    page.button(key="edit_row").click().run()
    theirs = (Message("user", "Where is pier 2?"), Message("assistant", "Theirs."))
    desk.datasets.versions(plain.id).edit("train", 2, theirs)
    write(page, "Mine.")
    assert "Example 3 was changed in another window." in texts(page)
    assert "Theirs." in texts(page)
    assert page.text_area(key="turn_text_1").value == "Mine."
    assert row(desk, plain, 2) == theirs
    page.button(key="save_example").click().run()
    assert row(desk, plain, 2)[1].content == "Mine."


def test_what_was_typed_outlives_the_example_itself(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, example="119")
    page.button(key="edit_row").click().run()
    desk.datasets.versions(plain.id).delete("train", [118])
    write(page, "Mine.")
    assert "Save again to add it as a new example." in texts(page)
    page.button(key="save_example").click().run()
    assert row(desk, plain, 118)[1].content == "Mine."


def test_deleting_what_another_window_changed_is_refused(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, example="3")
    desk.datasets.versions(plain.id).delete("train", [0])
    page.button(key="delete_row").click().run()
    assert "Example 3 was changed in another window." in texts(page)
    assert desk.datasets.get(plain.id).train_rows == 118


def test_versions_are_listed_with_what_changed_and_lead_back(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    versions = desk.datasets.versions(plain.id)
    versions.edit("train", 2, (Message("user", "Where is pier 2?"), Message("assistant", HOSTILE)))
    versions.delete("train", [0])
    page = open_page("dataset", dataset=plain.id, view="versions")
    assert [button.key for button in page.button if (button.key or "").startswith("revert_")] == [
        "revert_2",
        "revert_1",
    ]
    assert "119 examples · 1 removed · hash" in texts(page)
    page.button(key="revert_1").click().run()
    assert "Back to version 1. Version 4." in texts(page)
    assert desk.datasets.get(plain.id).sha256 == plain.sha256


def test_old_versions_are_forgotten_but_for_the_newest_and_those_in_use(
    open_page: Open, desk: FakeDesk, plain: Dataset
) -> None:
    page = open_page("dataset", dataset=plain.id, view="versions")
    assert "forget_versions" not in {button.key for button in page.button}
    versions = desk.datasets.versions(plain.id)
    for number in range(3):
        versions.edit("train", number, row(desk, plain, 7))
    run = desk.training.start(desk.training.spec("![x](http://evil.example) run", plain.id, BUILT_IN_MODEL))
    versions.edit("train", 3, row(desk, plain, 7))
    page = open_page("dataset", dataset=plain.id, view="versions")
    page.session_state["forget"] = True
    page.run()
    page.number_input(key="forget_keep").set_value(1).run()
    [stays] = [element.value for element in page.markdown if "stays too" in element.value]
    assert stays.startswith("- Version 4 stays too: the run \\!\\[x\\]")
    button = page.button(key="forget_versions")
    assert button.label.startswith("Forget 3 versions, frees ")
    button.click().run()
    assert "Versions 1, 2, 3 are removed from this computer for good." in texts(page)
    page.button(key="forget_yes").click().run()
    assert [one.number for one in versions.list()] == [5, 4]
    assert Path(run.spec.train_path).exists()
    assert not page.exception


def test_fixing_a_finding_makes_a_version_that_undo_takes_back(open_page: Open, desk: FakeDesk) -> None:
    rows = [messages(f"How do I reach counter {n}?", f"By tram {n}, then up the stairs.") for n in range(60)]
    rows[4] = messages("Whom do I write to?", "Write to ada.lovelace@contoso.com today.")
    dataset = saved(desk, rows)
    wait_until(lambda: desk.datasets.examine(dataset.id).phase == "done", "the checks end")
    mail = next(one for one in desk.datasets.examine(dataset.id).findings if one.fix and one.rows[0].number == 4)
    page = open_page("dataset", dataset=dataset.id, view="checks")
    page.button(key=f"checks_keep_{mail.code}").click().run()
    assert desk.datasets.get(dataset.id).version == 1
    desk.datasets.versions(dataset.id).add("train", row(desk, dataset, 0))
    wait_until(lambda: desk.datasets.examine(dataset.id).phase == "done", "the checks end")
    page = open_page("dataset", dataset=dataset.id, view="checks")  # another session, another version
    page.button(key=f"checks_undo_{mail.code}").click().run()
    desk.datasets.versions(dataset.id).undo()
    page = open_page("dataset", dataset=dataset.id, view="checks")
    page.session_state[f"checks_look_{mail.code}"] = True
    page.run()
    assert "ada.lovelace@contoso.com" in texts(page)
    page.button(key=f"show_finding_{mail.code}").click().run()
    assert table(page) == [5]
    page.segmented_control(key="dataset_view").set_value("checks").run()
    page.button(key=f"checks_fix_{mail.code}").click().run()
    assert "Version 4." in texts(page)
    assert "contoso" not in row(desk, dataset, 4)[1].content
    page.button(key="undo_change").click().run()
    assert "contoso" in row(desk, dataset, 4)[1].content
    assert not page.exception


def test_the_model_s_view_and_the_statistics_come_from_the_model_s_own_tokenizer(
    open_page: Open, desk: FakeDesk
) -> None:
    dataset = saved(desk, [messages("Where?" if number else HOSTILE, f"Pier {number}.") for number in range(6)])
    base = "phidesk/tiny-phi3"
    wait_until(lambda: desk.datasets.measure_tokens(dataset.id, base).is_final, "the tokens are counted", 120)
    page = open_page("dataset", dataset=dataset.id, view="statistics")
    assert "Suggested maximum length: 128 tokens. It keeps every answer whole." in texts(page)
    page.segmented_control(key="dataset_length").set_value(64).run()
    assert not page.exception
    page = open_page("dataset", dataset=dataset.id, view="checks")
    page.segmented_control(key="dataset_length").set_value(64).run()
    page.button(key="lengths_skip_over_long").click().run()
    assert "Left out: Longer than 64 tokens. Version 2." in texts(page)
    assert desk.datasets.get(dataset.id).train_rows == 4
    page.button(key="undo_change").click().run()
    assert desk.datasets.get(dataset.id).train_rows == 5
    page = open_page("dataset", dataset=dataset.id, view="model")
    [shown] = [element.proto.body for element in page.get("html") if "region" in element.proto.body]
    tags, words, marked = read_marked(shown)
    assert tags <= {"div", "mark", "span"}
    assert HOSTILE in words
    assert "Pier 0." in marked
    assert "<|assistant|>" in words
    assert not page.exception


def test_a_count_that_was_killed_is_begun_again_from_the_page(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    desk.datasets.measure_tokens(plain.id, "phidesk/tiny-phi3")
    [work] = (desk.datasets.folder / ".cache" / "tokens" / "work").iterdir()
    os.kill(json.loads((work / "process.json").read_bytes())["pid"], 9)
    wait_until(lambda: desk.datasets.measure_tokens(plain.id, "phidesk/tiny-phi3").is_final, "it has failed")
    for view in ("statistics", "checks", "model"):
        page = open_page("dataset", dataset=plain.id, view=view)
        assert "The work ended without a word." in texts(page), view
    page.button(key="count_again").click().run()
    assert "count_again" not in {button.key for button in page.button}
    wait_until(
        lambda: desk.datasets.measure_tokens(plain.id, "phidesk/tiny-phi3").phase == "done", "it is counted", 120
    )


def test_checks_that_failed_are_made_again_from_the_page(open_page: Open, desk: FakeDesk, plain: Dataset) -> None:
    desk.datasets.examine(plain.id)
    [folder] = (desk.datasets.folder / ".examinations").iterdir()
    background_process.tell_failure(folder, NotFound("The file was away.", code="examination_failed"))
    page = open_page("dataset", dataset=plain.id, view="checks")
    assert "The file was away." in texts(page)
    page.button(key="examine_again").click().run()
    assert "The file was away." not in texts(page)
    assert desk.datasets.examine(plain.id).phase == "done"


def test_a_file_is_exported_to_this_computer_when_it_is_too_large_to_download(
    open_page: Open, plain: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_export, "MAX_DOWNLOAD", 100)
    page = open_page("dataset", dataset=plain.id, view="export")
    target = tmp_path / "out.jsonl"
    page.text_input(key="export_target").set_value(str(target))
    page.button(key="export_write").click().run()
    assert len(target.read_bytes().splitlines()) == 119
    page.text_input(key="export_target").set_value(str(tmp_path / "no" / "such" / "out.jsonl"))
    page.button(key="export_write").click().run()
    assert not page.exception


def test_an_upload_without_a_token_is_not_offered(open_page: Open, plain: Dataset) -> None:
    page = open_page("dataset", dataset=plain.id, view="export")
    assert page.button(key="push").disabled
    assert "HF_TOKEN" in texts(page)


@given(st_.lists(st_.tuples(st_.text(), st_.sampled_from(Mark), st_.booleans()), max_size=8), st_.text(max_size=20))
def test_marked_text_holds_no_tag_but_its_own(pieces: list[tuple[str, Mark, bool]], label: str) -> None:
    html = marked_text.block([Piece(text, mark, is_special) for text, mark, is_special in pieces], label)
    tags, words, _marked = read_marked(html)
    assert tags <= {"div", "span", "mark", "s", "ins", "del"}
    seen = "".join(marked_text._seen(text) for text, _mark, _special in pieces)
    assert words.replace("↵", "") == seen.replace("↵", "")


def test_what_was_cut_or_learnt_is_marked_by_more_than_colour() -> None:
    html = marked_text.inline([Piece("a", Mark.LEARNT), Piece("b", Mark.CUT)])
    assert "underline" in html.split("</mark>")[0]
    assert "<s " in html


@given(st_.text(), st_.text())
def test_the_pieces_of_a_comparison_are_the_two_texts(before: str, after: str) -> None:
    left, right = text_changes.compare(before, after)
    assert "".join(piece.text for piece in left) == before
    assert "".join(piece.text for piece in right) == after
    assert all(piece.mark in (Mark.NONE, Mark.REMOVED) for piece in left)
    same = ["".join(piece.text for piece in side if piece.mark is Mark.NONE) for side in (left, right)]
    assert same[0] == same[1]


def test_only_the_changed_word_is_marked() -> None:
    left, right = text_changes.compare("The Puffin is green.", "The Heron is green.")
    assert [piece.text for piece in left if piece.mark] == ["Puffin"]
    assert [piece.text for piece in right if piece.mark] == ["Heron"]


@pytest.mark.parametrize(
    ("longest", "suggested", "lengths"),
    [(90, 128, [64, 128]), (700, 500, [64, 128, 256, 500, 512, 1024]), (0, 128, [64, 128]), (10**6, 128, None)],
)
def test_the_lengths_offered_reach_from_short_to_nothing_cut(
    longest: int, suggested: int, lengths: list[int] | None
) -> None:
    found = lengths_for(longest, suggested)
    assert found == (lengths or [64 * 2**power for power in range(12)])


def test_a_histogram_is_told_in_words_and_has_its_rule_beside_the_bars() -> None:
    bins = (Bin(0, 50, 3), Bin(50, 100, 0), Bin(100, None, 1204))
    assert token_charts.alt("Tokens", bins) == "Tokens, bar chart. 0 to 49 tokens: 3; 100 and more tokens: 1,204."
    rows = token_charts.bars(bins)
    assert rows[-1]["high"] == 150
    assert len(token_charts.spec("Examples", 256, 150, ink="#000")["layer"]) == 3
    assert len(token_charts.spec("Examples", 4096, 150, ink="#000")["layer"]) == 1
