"""The list of datasets and drafts, the ways to add examples, saving and deleting."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from backend.conversations import Conversations
from backend.domain import ChatSettings, Dataset
from streamlit_app.ui import sources_assets
from tests.contract.waiting import wait_until
from tests.pages.conftest import CloudDesk, FakeDesk, Open, texts


def row(question: str, answer: str = "An answer.") -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


GOOD = "\n".join(row(f"Question {number}?", f"Answer {number}.") for number in range(10)).encode()


def uploaded(open_page: Open, *contents: bytes, name: str = "mine.jsonl") -> AppTest:
    """All in one go, as by drag and drop."""
    page = open_page("dataset")
    files = [(name if not number else f"{number}-{name}", content, "") for number, content in enumerate(contents)]
    return page.file_uploader(key="upload_0").set_value(files).run()


def add_from(page: AppTest, words: str) -> AppTest:
    """Another tab of the ways to add examples."""
    page.session_state["add_from"] = next(tab.label for tab in page.tabs if words in tab.label)
    return page.run()


def saved(page: AppTest, desk: FakeDesk) -> Dataset:
    page.button(key="save_dataset").click().run()
    assert not page.exception
    [dataset] = desk.datasets.list()
    assert page.query_params["dataset"] == dataset.id
    return dataset


def test_a_good_file_is_saved_split_and_opened(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    assert "10 examples can teach." in texts(page)
    page.text_input(key="dataset_name").set_value("My library").run()
    dataset = saved(page, desk)
    assert (dataset.name, dataset.train_rows, dataset.eval_rows) == ("My library", 8, 2)
    assert page.title[0].value == "My library"
    assert list(desk.datasets.drafts.list()) == []


def test_several_files_become_one_dataset(open_page: Open, desk: FakeDesk) -> None:
    more = "question,answer\n" + "".join(f"What is {number}?,It is {number}.\n" for number in range(5))
    page = uploaded(open_page, GOOD, more.encode())
    assert "mine.jsonl, 1-mine.jsonl" in texts(page)
    assert list(page.dataframe[0].value["File"])[9:11] == ["mine.jsonl", "1-mine.jsonl"]
    dataset = saved(page, desk)
    assert dataset.train_rows + dataset.eval_rows == 15


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe binary",
        b"PK\x03\x04 a zip",
        b"[" * 100_000,
        b'{"messages": "no"}',
    ],
    ids=["empty", "binary", "zip", "brackets", "no list"],
)
def test_a_file_without_one_good_example_is_explained_and_not_saved(
    open_page: Open, desk: FakeDesk, content: bytes
) -> None:
    page = uploaded(open_page, content)
    assert not page.exception
    assert page.error
    assert all(button.disabled for button in page.button if button.key == "save_dataset")
    assert desk.datasets.list() == []


def test_a_path_like_file_name_is_only_a_name(open_page: Open, desk: FakeDesk, tmp_path: Path) -> None:
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    dataset = saved(uploaded(open_page, GOOD, name="../../etc/passwd.jsonl"), desk)
    assert Path(dataset.train_path).resolve().is_relative_to(tmp_path.resolve())
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before


def test_an_own_check_file_replaces_the_split(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    page.radio(key="eval_way").set_value("file").run()
    page.file_uploader(key="eval_upload").upload("check.jsonl", row("Other?").encode(), "application/jsonl").run()
    dataset = saved(page, desk)
    assert (dataset.train_rows, dataset.eval_rows) == (10, 1)


def test_the_share_and_the_seed_of_the_split_are_used(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    page.slider(key="eval_share").set_value(50)
    page.number_input(key="split_seed").set_value(7)
    dataset = saved(page, desk)
    assert (dataset.train_rows, dataset.seed) == (5, 7)


def test_a_number_can_be_kept_aside(open_page: Open, desk: FakeDesk) -> None:
    page = uploaded(open_page, GOOD)
    page.radio(key="eval_way").set_value("count").run()
    page.number_input(key="eval_rows").set_value(3)
    assert saved(page, desk).eval_rows == 3


def test_another_dataset_is_mixed_in_by_weight(open_page: Open, desk: FakeDesk) -> None:
    other = desk.datasets.create_from_file("\n".join(row(f"Old {n}?", f"Was {n}.") for n in range(20)).encode(), "Old")
    page = uploaded(open_page, GOOD)
    page.multiselect(key="mix_with").set_value([other.id]).run()
    page.number_input(key=f"mix_weight_{other.id}").set_value(0.5)
    page.button(key="save_dataset").click().run()
    assert not page.exception
    mixed = next(one for one in desk.datasets.list() if one.id != other.id)
    assert mixed.train_rows + mixed.eval_rows == 20


def test_the_sample_is_one_click_away(open_page: Open, desk: FakeDesk) -> None:
    page = add_from(open_page("dataset"), "Sample")
    page.button(key="use_sample").click().run()
    assert desk.datasets.list()[0].train_rows > 100
    assert page.button(key="train_with").label == "Train with it"


def test_the_same_pasted_text_can_be_added_twice(open_page: Open, desk: FakeDesk) -> None:
    page = open_page("dataset")
    for expected in (1, 2):
        add_from(page, "Paste")
        page.text_area(key="pasted").set_value("question,answer\nWhat is up?,The sky.\nAnd down?,The sea.\n")
        page.button(key="paste_submit").click().run()
        assert "2 examples can teach." in texts(page)
        page.button(key="back").click().run()
        assert len(desk.datasets.drafts.list()) == expected


def test_a_pasted_list_of_q_and_a_is_answered_with_what_to_paste(open_page: Open, desk: FakeDesk) -> None:
    page = add_from(open_page("dataset"), "Paste")
    assert any("question\tanswer" in one.value for one in page.code)
    page.text_area(key="pasted").set_value("Q: When do you open?\nA: At nine.")
    page.button(key="paste_submit").click().run()
    assert "put a tab between question and answer" in texts(page)
    assert list(desk.datasets.drafts.list()) == []


def test_an_empty_paste_is_told(open_page: Open, desk: FakeDesk) -> None:
    page = add_from(open_page("dataset"), "Paste")
    page.button(key="paste_submit").click().run()
    assert "There is no text yet." in texts(page)


def test_a_folder_is_read_where_it_is(open_page: Open, desk: FakeDesk, tmp_path: Path) -> None:
    folder = tmp_path / "my chats"
    folder.mkdir()
    (folder / "one.jsonl").write_bytes(GOOD)
    (folder / "two.csv").write_text("question,answer\nWhat is up?,The sky.\n")
    page = add_from(open_page("dataset"), "From this computer")
    page.text_input(key="path").set_value(f'"{folder}"')
    page.button(key="path_submit").click().run()
    assert "11 examples can teach." in texts(page)
    page.button(key="discard_draft").click().run()
    page.button(key="discard_yes").click().run()
    assert len(list(folder.iterdir())) == 2
    assert list(desk.datasets.drafts.list()) == []


def test_a_path_that_can_not_be_read_is_told(open_page: Open, desk: FakeDesk) -> None:
    page = add_from(open_page("dataset"), "From this computer")
    for path in ("", "relative/file.jsonl", "/no/such/place.jsonl", "/" + "x" * 5000, "/a\0b", "~nobody-here/a"):
        page.text_input(key="path").set_value(path)
        page.button(key="path_submit").click().run()
        assert not page.exception, path
        assert page.error, path
    assert list(desk.datasets.drafts.list()) == []


def test_rated_chats_become_examples(cloud: CloudDesk, open_page: Open) -> None:
    page = add_from(open_page("dataset"), "Rated")
    assert "thumbs up" in texts(page)
    chats = Conversations(cloud.settings.database)
    for number in range(3):
        chat = chats.create("ferries", ChatSettings(), "A chat")
        question = chats.add(chat.id, "user", f"Where is pier {number}?")
        chats.rate(chats.put_answer(chat.id, question, f"By the wall {number}.", is_stopped=False), 1)
    page.run()
    assert "3 answers with a thumbs up." in texts(page)
    page.button(key="use_rated").click().run()
    assert "3 examples can teach." in texts(page)


def test_data_assets_are_of_the_cloud_only(open_page: Open, desk: FakeDesk) -> None:
    page = add_from(open_page("dataset"), "Azure")
    assert "No data is kept here." in texts(page)


def test_a_data_asset_becomes_a_draft(connected: CloudDesk, open_page: Open) -> None:
    connected.target.data_assets.kept["chats", "2"] = {"rows.jsonl": GOOD}
    page = add_from(open_page("dataset"), "Azure")
    [asset] = page.radio(key="asset").options
    page.radio(key="asset").set_value(connected.target.data_assets.list()[0]).run()
    page.button(key="get_asset").click().run()
    assert asset == "chats"
    assert "10 examples can teach." in texts(page)


def test_a_large_data_asset_comes_with_progress_and_can_be_cancelled(
    connected: CloudDesk, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_assets, "AT_ONCE_SECONDS", 0)
    assets = connected.target.data_assets
    assets.kept["chats", "2"] = {"rows.jsonl": GOOD}
    go_on, copy = threading.Event(), assets.download

    def slowly(name: str, version: str, folder: Path, on_progress: Callable[[int, int], None]) -> Path:
        while not go_on.wait(0.01):
            on_progress(1, 4)
        return copy(name, version, folder, on_progress)

    monkeypatch.setattr(assets, "download", slowly)
    page = add_from(open_page("dataset"), "Azure")
    page.radio(key="asset").set_value(assets.list()[0]).run()
    page.button(key="get_asset").click().run()
    [bar] = page.get("progress")
    assert "Downloading chats" in bar.proto.text
    said = texts(page.button(key="cancel_asset").click().run())
    wait_until(lambda: sources_assets._downloads().get(("chats", "2")) is None, "it is stopped")
    assert "It was stopped." in said + texts(add_from(page, "Azure"))
    assert list(connected.datasets.drafts.list()) == []
    page = add_from(open_page("dataset"), "Azure")
    page.radio(key="asset").set_value(assets.list()[0]).run()
    page.button(key="get_asset").click().run()
    go_on.set()
    wait_until(lambda: sources_assets._downloads().get(("chats", "2")) is None, "it is there")
    page = add_from(page, "Azure")
    assert "10 examples can teach." in texts(page)


def test_an_unfinished_draft_is_listed_and_can_be_discarded(open_page: Open, desk: FakeDesk) -> None:
    draft = desk.datasets.drafts.open([("later.jsonl", GOOD)])
    page = open_page("dataset")
    assert "Not saved yet" in texts(page)
    assert f"discard_{draft.id}" in {button.key for button in page.button}
    page.button(key=f"discard_{draft.id}").click().run()
    page.button(key="discard_yes").click().run()
    assert list(desk.datasets.drafts.list()) == []


def test_many_unfinished_drafts_do_not_hide_the_datasets_and_can_go_at_once(
    open_page: Open, desk: FakeDesk, sample: str
) -> None:
    for number in range(5):
        desk.datasets.drafts.open([(f"{number}.jsonl", GOOD), (f"more {number}.jsonl", GOOD)])
    page = open_page("dataset")
    assert [one.label for one in page.expander if "not saved" in one.label] == ["2 more that are not saved"]
    assert "0.jsonl and 1 more" in texts(page)
    page.button(key="discard_all").click().run()
    page.button(key="discard_all_yes").click().run()
    assert list(desk.datasets.drafts.list()) == [] and [one.id for one in desk.datasets.list()] == [sample]


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


def test_a_hostile_dataset_name_stays_text(open_page: Open, desk: FakeDesk) -> None:
    made = desk.datasets.create_from_file(GOOD, "![x](http://evil.example/x.png)", filename="a.jsonl")
    page = open_page("dataset", dataset=made.id)
    assert page.title[0].value.startswith("\\!\\[x\\]")
