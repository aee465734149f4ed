"""Adding, looking at and deleting datasets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import FakeDesk, Open, texts


def row(question: str, answer: str = "An answer.") -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


GOOD = "\n".join(row(f"Question {number}?") for number in range(10)).encode()


def uploaded(open_page: Open, content: bytes, name: str = "mine.jsonl") -> AppTest:
    page = open_page("dataset")
    return page.file_uploader(key="upload_0").upload(name, content, "application/jsonl").run()


def test_a_good_file_is_saved_split_and_opened(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    assert "10 examples, all good." in texts(page)
    page.text_input(key="dataset_name").set_value("My library").run()
    page.button(key="save_dataset").click().run()
    [dataset] = desk.datasets.list()
    assert (dataset.name, dataset.train_rows, dataset.eval_rows) == ("My library", 8, 2)
    assert page.title[0].value == "My library"
    assert not page.exception


def test_bad_lines_are_listed_with_line_problem_and_fix_and_can_be_skipped(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD + b'\n{"messages": []}\nnot json\n')
    assert "10 of 12 examples can be used" in texts(page)
    problems = next(frame.value for frame in page.dataframe if "Problem" in frame.value.columns)
    assert list(problems["Line"]) == ["11", "12"]
    assert all(problems["What to do"])
    button = page.button(key="save_dataset")
    assert button.label == "Use 10 good examples, skip 2"
    button.click().run()
    assert desk.datasets.list()[0].train_rows == 8


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe binary",
        b"PK\x03\x04 a zip",
        b"[" * 100_000,
        b'{"messages": "no"}',
        b"question,answer\na,b\n",
    ],
    ids=["empty", "binary", "zip", "brackets", "no list", "csv"],
)
def test_a_file_without_one_good_example_is_explained_and_not_saved(
    open_page: Open, desk: FakeDesk, content: bytes
) -> None:
    page = uploaded(open_page, content)
    assert not page.exception
    assert page.error
    assert "save_dataset" not in {button.key for button in page.button}
    assert desk.datasets.list() == []


def test_a_path_like_file_name_is_only_a_name(open_page: Open, desk: FakeDesk, tmp_path: Path) -> None:
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    page = uploaded(open_page, GOOD, "../../etc/passwd.jsonl")
    page.button(key="save_dataset").click().run()
    assert not page.exception
    [dataset] = desk.datasets.list()
    assert Path(dataset.train_path).resolve().is_relative_to(tmp_path.resolve())
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before


def test_an_own_check_file_replaces_the_split(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    page.file_uploader(key="eval_upload_0").upload("check.jsonl", row("Other?").encode(), "application/jsonl").run()
    page.button(key="save_dataset").click().run()
    [dataset] = desk.datasets.list()
    assert (dataset.train_rows, dataset.eval_rows) == (10, 1)


def test_the_share_and_the_seed_of_the_split_are_used(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    page.slider(key="eval_share").set_value(50)
    page.number_input(key="split_seed").set_value(7)
    page.button(key="save_dataset").click().run()
    [dataset] = desk.datasets.list()
    assert (dataset.train_rows, dataset.seed) == (5, 7)


def test_the_sample_is_one_click_away(open_page: Open, desk: FakeDesk) -> None:
    page = open_page("dataset")
    page.button(key="use_sample").click().run()
    assert desk.datasets.list()[0].train_rows > 100
    assert page.button(key="train_with").label == "Train with it"


def test_a_dataset_shows_its_first_rows_of_both_parts(open_page: Open, sample: str) -> None:
    page = open_page("dataset", dataset=sample)
    assert len(page.dataframe[0].value) == 50
    page.segmented_control(key="dataset_part").set_value("eval").run()
    assert not page.exception
    assert len(page.dataframe[0].value) == 50


def test_deleting_wants_the_name_typed(open_page: Open, desk: FakeDesk, sample: str) -> None:
    page = open_page("dataset", dataset=sample)
    page.button(key="delete_dataset").click().run()
    page.text_input(key="delete_dataset_typed").set_value("Another name")
    page.button(key="delete_dataset_yes").click().run()
    assert list(desk.datasets.list()) != []
    page.button(key="delete_dataset").click().run()
    page.text_input(key="delete_dataset_typed").set_value("Larkhaven Ferries")
    page.button(key="delete_dataset_yes").click().run()
    assert list(desk.datasets.list()) == []


@pytest.mark.parametrize("name", ["", "not an id", "a/b/c"])
def test_a_wrong_hugging_face_id_is_explained(open_page: Open, desk: FakeDesk, name: str) -> None:
    page = open_page("dataset")
    page.text_input(key="hub_id").set_value(name)
    page.button(key="hub_submit").click().run()
    assert not page.exception
    assert page.error


def test_a_hostile_dataset_name_stays_text(open_page: Open, desk: FakeDesk) -> None:
    made = desk.datasets.create_from_file(GOOD, "![x](http://evil.example/x.png)", filename="a.jsonl")
    page = open_page("dataset", dataset=made.id)
    assert page.title[0].value.startswith("\\!\\[x\\]")
