"""Every page in a real browser: on an empty workspace and with a run, model and endpoint in each state."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, expect

from tests.e2e.app_process import AppProcess
from tests.e2e.desk_page import DESKTOP, PAGES, PHONE, DeskPage, desk_page

pytestmark = pytest.mark.browser

THEMES = pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
FILLED = (
    *PAGES,
    "train?new=1",
    *(f"train?job=run-{number}" for number in range(7)),
    "evaluate?model=ferries%3A1",
    "dataset",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    home: Path = tmp_path_factory.mktemp("filled")
    with AppProcess(home, command=[sys.executable, "-m", "tests.e2e.app_over_fakes"]) as running:
        yield running


def each_view(
    desk: DeskPage, paths: Iterable[str], prepare: Callable[[DeskPage, str], None] = lambda _desk, _path: None
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every page at both sizes. One of them it is opened with, by turns; to the other one the open page is resized."""
    viewport = desk.page.viewport_size
    sizes = (DESKTOP, PHONE) if viewport and viewport["width"] == DESKTOP[0] else (PHONE, DESKTOP)
    for path in paths:
        desk.open(path)
        prepare(desk, path)
        yield path, sizes[0]
        desk.resize(sizes[1])
        yield path, sizes[1]
        sizes = sizes[::-1]


def assert_fits(desk: DeskPage, path: str, size: tuple[int, int]) -> None:
    desk.assert_is_sound()
    assert "\\" not in desk.page.inner_text("[data-testid=stMainBlockContainer]"), f"{path}: an escape shows"
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= size[0], f"{path} scrolls sideways"


def serious_violations(desk: DeskPage) -> list[str]:
    """What axe-core finds on the open page."""
    if not desk.page.evaluate("'axe' in window"):
        desk.page.evaluate(AXE_SCRIPT)
    found = desk.page.evaluate("axe.run({resultTypes: ['violations']}).then(results => results.violations)")
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def walk(browser: Browser, app: AppProcess, paths: tuple[str, ...], prefix: str, *, is_dark: bool) -> None:
    """All pages at both sizes: sound, without a barrier, nothing wider than the window."""
    problems = {}
    with desk_page(browser, app, PHONE if is_dark else DESKTOP, is_dark=is_dark) as desk:
        for path, size in each_view(desk, paths):
            assert_fits(desk, path, size)
            problems[path, size] = serious_violations(desk)
            if not is_dark:
                desk.screenshot(f"{prefix}-{re.sub('[^a-z0-9]+', '-', path) or 'home'}-{size[0]}")
        unexpected = [text for text in desk.console_errors if "404" not in text]  # Streamlit probes for its base path
        assert unexpected == []
    assert {view: found for view, found in problems.items() if found} == {}


@THEMES
def test_every_page_of_an_empty_workspace_is_sound_and_without_barriers(
    browser: Browser, app: AppProcess, is_dark: bool
) -> None:
    walk(browser, app, PAGES, "empty", is_dark=is_dark)


@THEMES
def test_every_page_with_everything_in_it_is_sound_and_without_barriers(
    browser: Browser, filled: AppProcess, is_dark: bool
) -> None:
    walk(browser, filled, FILLED, "filled", is_dark=is_dark)


def test_hostile_answers_load_nothing_and_link_nowhere(browser: Browser, filled: AppProcess) -> None:
    with desk_page(browser, filled) as desk:
        desk.open("chat?endpoint=ferries-1")
        box = desk.page.get_by_role("textbox", name="Ask your model")
        box.fill("be hostile ![x](http://evil.example/question.png)")
        box.press("Enter")
        expect(desk.page.get_by_role("radio", name="Thumbs up")).to_be_attached(timeout=60_000)
        messages = desk.page.get_by_test_id("stChatMessage")
        for tag in ("img", "a", "iframe", "svg image", "script", "style", ".katex", "[class*=mermaid]"):
            assert messages.locator(tag).count() == 0, tag
        desk.assert_is_sound()
        desk.screenshot("chat-hostile")


@pytest.mark.parametrize(("question", "last_word"), [("be slow", "word5 "), ("be halting", "word1 ")])
def test_a_stopped_answer_is_kept_marked_and_there_after_a_reload(
    browser: Browser, filled: AppProcess, question: str, last_word: str
) -> None:
    with desk_page(browser, filled) as desk:
        desk.open("chat?endpoint=ferries-1")
        box = desk.page.get_by_role("textbox", name="Ask your model")
        box.fill(question)
        box.press("Enter")
        answer = desk.page.get_by_role("group", name="Chat message from assistant")
        expect(answer.get_by_text(last_word)).to_be_visible(timeout=30_000)
        desk.page.get_by_role("button", name="Stop script").click()
        expect(answer.get_by_text("Stopped")).to_be_visible()
        desk.page.reload()
        desk.settle()
        expect(answer.get_by_text("Stopped")).to_be_visible()
        expect(answer.get_by_text(last_word)).to_be_visible()


def test_waiting_for_the_first_word_can_be_stopped(browser: Browser, filled: AppProcess) -> None:
    with desk_page(browser, filled) as desk:
        desk.open("chat?endpoint=ferries-1")
        box = desk.page.get_by_role("textbox", name="Ask your model")
        box.fill("be silent")
        box.press("Enter")
        expect(desk.page.get_by_text("Thinking… 1 s")).to_be_visible()
        desk.page.get_by_role("button", name="Stop script").click()
        expect(desk.page.get_by_text("This question has no answer yet.")).to_be_visible()
        expect(desk.page.get_by_role("button", name="Answer it")).to_be_enabled()


def test_the_primary_action_answers_to_the_keyboard(browser: Browser, filled: AppProcess) -> None:
    with desk_page(browser, filled) as desk:
        desk.open("train")
        desk.page.keyboard.press("Control+Enter")
        expect(desk.page.get_by_role("heading", name="New run")).to_be_visible()
        desk.open("deploy")
        desk.page.keyboard.press("Control+Enter")
        expect(desk.page.get_by_role("dialog")).to_be_visible()
        desk.page.keyboard.press("Escape")
        expect(desk.page.get_by_role("dialog")).to_have_count(0)


def test_deleting_an_endpoint_wants_its_name(browser: Browser, filled: AppProcess) -> None:
    with desk_page(browser, filled) as desk:
        desk.open("deploy")
        desk.page.locator(".st-key-delete_off-endpoint button").click()
        dialog = desk.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Delete endpoint").click()
        expect(dialog.get_by_text("That is not the name.")).to_be_visible()
        dialog.get_by_role("textbox").fill("off-endpoint")
        dialog.get_by_role("button", name="Delete endpoint").click()
        expect(dialog).to_have_count(0)
        expect(desk.page.locator(".st-key-endpoint_off-endpoint")).to_have_count(0)


def test_a_second_file_can_be_added_after_the_first(browser: Browser, app: AppProcess, tmp_path: Path) -> None:
    """Here at the end, for the workspace is empty no more."""
    row = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "Yes."}]}\n'
    with desk_page(browser, app) as desk:
        page = desk.page
        for name in ("one", "two"):
            file = tmp_path / f"{name}.jsonl"
            file.write_text("".join(row % f"{name} {number}" for number in range(5)))
            desk.open("dataset") if name == "one" else page.get_by_role("button", name="All datasets").click()
            expect(page.get_by_role("heading", name="Add examples")).to_be_visible()
            expect(page.get_by_text("JSONL, JSON, CSV or Parquet")).to_be_visible()
            page.locator(".st-key-upload input[type=file]").set_input_files(file)
            expect(page.locator(".st-key-dataset_name input")).to_have_value(name, timeout=30_000)
            page.locator(".st-key-save_dataset button").click()
            expect(page.get_by_role("button", name="Train with it")).to_be_visible(timeout=30_000)
            expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        page.get_by_role("button", name="All datasets").click()
        expect(page.get_by_role("heading", name="Your datasets")).to_be_visible()
        assert "dataset=" not in page.url
        page.reload()
        desk.settle()
        expect(page.get_by_role("link", name="one")).to_be_visible()
        expect(page.get_by_role("link", name="two")).to_be_visible()
