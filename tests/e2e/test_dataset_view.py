"""The page of a saved dataset in a real browser: hostile examples stay text, an example is changed, no barriers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from backend.datasets import Datasets
from backend.domain import Dataset
from tests.e2e.app_process import AppProcess
from tests.e2e.desk_page import DESKTOP, PHONE, desk_page

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)> **bold** ![x](http://evil.example/x.png) <script>window.ran=1</script>"
SECTIONS = ("examples&example=3", "model&example=3", "statistics", "checks", "versions", "export")


@pytest.fixture(scope="module")
def dataset(home: Path) -> Dataset:
    rows = [
        [{"role": "user", "content": f"{HOSTILE} {number}"}, {"role": "assistant", "content": f"{HOSTILE} - {number}."}]
        for number in range(60)
    ]
    content = "\n".join(json.dumps({"messages": row}) for row in rows).encode()
    return Datasets(home / "datasets").create_from_file(content, HOSTILE)


def test_hostile_examples_stay_text_in_the_model_s_view_and_between_versions(
    browser: Browser, app: AppProcess, home: Path, dataset: Dataset
) -> None:
    versions = Datasets(home / "datasets").versions(dataset.id)
    versions.delete("train", [0])
    with desk_page(browser, app) as desk:
        for address, name in (
            ("view=model&example=3", "The example as the model sees it"),
            ("view=versions", "Removed"),
        ):
            desk.open(f"dataset?dataset={dataset.id}&{address}")
            if "versions" in address:
                desk.page.get_by_text("What changed").first.click()
            region = desk.page.get_by_role("region", name=name)
            expect(region).to_contain_text("<img src=x onerror=alert(1)> **bold** ![x](http://evil", timeout=60_000)
            assert region.locator("img, a, script, strong, iframe, svg").count() == 0
            assert region.locator("span").count() > 0
            desk.assert_is_sound()
        assert desk.page.evaluate("window.ran") is None


def test_an_example_is_selected_changed_and_put_back(browser: Browser, app: AppProcess, dataset: Dataset) -> None:
    with desk_page(browser, app) as desk:
        page = desk.page
        desk.open(f"dataset?dataset={dataset.id}")
        grid = page.get_by_test_id("stDataFrame").first
        expect(grid.locator("canvas").first).to_be_visible()
        grid.scroll_into_view_if_needed()
        grid.click(position={"x": 16, "y": 36 * 3 + 16})
        expect(page.get_by_role("heading", name="Example 3")).to_be_visible()
        page.locator(".st-key-edit_row button").click()
        page.locator(".st-key-turn_text_1 textarea").fill("By the harbour.")
        page.locator(".st-key-save_example button").click()
        expect(page.locator(".st-key-last_change")).to_contain_text("Example 3 changed.")
        expect(page.get_by_role("group", name="Chat message from assistant")).to_contain_text("By the harbour.")
        page.locator(".st-key-undo_change button").click()
        expect(page.get_by_role("group", name="Chat message from assistant")).not_to_contain_text("By the harbour.")
        expect(page.locator(".st-key-last_change")).to_have_count(0)


@pytest.mark.parametrize(("size", "is_dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone"])
def test_no_section_has_a_serious_barrier_or_scrolls_sideways(
    browser: Browser, app: AppProcess, dataset: Dataset, size: tuple[int, int], is_dark: bool
) -> None:
    with desk_page(browser, app, size, is_dark=is_dark) as desk:
        for section in SECTIONS:
            desk.open(f"dataset?dataset={dataset.id}&view={section}")
            found = Axe().run(desk.page).response["violations"]
            assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == [], section
            assert desk.page.evaluate("document.documentElement.scrollWidth") <= size[0], section
            desk.screenshot(f"dataset-{section.split('&')[0]}-{size[0]}")


def test_what_a_list_s_link_opens_stays_open(browser: Browser, app: AppProcess, dataset: Dataset) -> None:
    """Streamlit's links from a page to itself show the right thing once, but don't change the browser's address."""
    with desk_page(browser, app) as desk:
        page = desk.page
        sections = page.get_by_role("heading", name="Add examples")
        desk.open("dataset")
        page.locator(f".st-key-dataset_{dataset.id}").get_by_role("link").click()
        page.wait_for_url(f"**/dataset?dataset={dataset.id}")
        desk.settle()
        page.reload()
        expect(page.locator(".st-key-back")).to_be_visible()
        page.go_back()
        expect(sections).to_be_visible()
        page.wait_for_url("**/dataset")
