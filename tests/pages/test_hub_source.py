"""A dataset from Hugging Face on the page: looked for, looked into, and got as a draft. The Hub is a small one here."""

from __future__ import annotations

import json

import pytest

from backend.studio.hub_search import HubSearch
from tests.contract.waiting import wait_until
from tests.hub_emulator import HubEmulator, Repo
from tests.hub_emulator.fixtures import hub
from tests.pages.conftest import FakeDesk, Open, texts
from tests.pages.test_dataset_page import add_from

__all__ = ["hub"]

ROWS = [{"instruction": f"Say {n} <b>aloud</b>", "input": "", "output": f"It is {n}."} for n in range(30)]
FILES = {
    "train.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "test.jsonl": "\n".join(map(json.dumps, ROWS[:5])).encode(),
}


@pytest.fixture
def small_hub(hub: HubEmulator, desk: FakeDesk) -> HubEmulator:
    desk.datasets.hub = HubSearch(None, viewer=hub.viewer)
    view = {"default": {"train": ROWS, "test": ROWS[:5]}}
    hub.add(Repo("someone/numbers", FILES, viewer=view, downloads=12345, tags=["license:mit"]))
    hub.add(Repo("other/numbers-closed", downloads=900, gated="manual"))
    return hub


def test_a_search_shows_what_one_chooses_by_and_the_first_rows(
    small_hub: HubEmulator, open_page: Open, desk: FakeDesk
) -> None:
    page = add_from(open_page("dataset"), "Hugging Face")
    page.text_input(key="hub_query").set_value("numbers")
    page.button(key="hub_search").click().run()
    hits = page.radio(key="hub_hits_numbers")
    assert hits.value is None
    assert hits.options == ["someone\\/numbers", "other\\/numbers\\-closed"]
    hits.set_value("someone/numbers").run()
    assert page.selectbox(key="hub_split_someone/numbers_default").options == ["train · 30 rows", "test · 5 rows"]
    assert "Alpaca: the question is in instruction and input, the answer in output." in texts(page)
    assert len(page.dataframe[-1].value) == 10
    hits.set_value("other/numbers-closed").run()
    assert "gated" in texts(page)
    assert "hub_submit" not in {button.key for button in page.button}


def test_a_typed_id_is_chosen_at_once_and_ends_in_a_draft(
    small_hub: HubEmulator, open_page: Open, desk: FakeDesk
) -> None:
    page = add_from(open_page("dataset"), "Hugging Face")
    page.text_input(key="hub_query").set_value("someone/numbers")
    page.button(key="hub_search").click().run()
    page.selectbox(key="hub_piece").set_value("[:10%]").run()
    page.button(key="hub_submit").click().run()
    import_id = str(page.query_params["import"])
    assert "hub_cancel" in {button.key for button in page.button}
    wait_until(lambda: desk.datasets.hub_import(import_id).is_final, "the import is over", 120)
    page.run()
    assert not page.exception
    assert "3 examples can teach." in texts(page)
    [draft] = desk.datasets.drafts.list()
    assert page.query_params["draft"] == draft.id
    assert desk.datasets.drafts.detail(draft.id)[0] == "hub"


def test_what_the_hub_does_not_know_is_told_before_anything_is_fetched(
    small_hub: HubEmulator, open_page: Open, desk: FakeDesk
) -> None:
    page = add_from(open_page("dataset"), "Hugging Face")
    for text in ("", "no such words", "nobody/nothing", "a/b/c"):
        page.text_input(key="hub_query").set_value(text)
        page.button(key="hub_search").click().run()
        assert not page.exception, text
        assert page.error or page.info, text
    small_hub.fail("GET /api/datasets", 500)
    desk.datasets.hub.forget()
    page.text_input(key="hub_query").set_value("numbers")
    page.button(key="hub_search").click().run()
    assert page.error
