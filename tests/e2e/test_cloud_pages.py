"""The pages of a target that needs an account and costs, in a real browser: set-up from nothing, and everything on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.app_process import AppProcess
from tests.e2e.desk_page import DESKTOP, PHONE, DeskPage, desk_page
from tests.e2e.test_pages_open import THEMES, assert_fits, each_view, serious_violations

pytestmark = pytest.mark.browser

COMMAND = [sys.executable, "-m", "tests.e2e.cloud_over_fakes"]
PAGES = ("", "setup", "dataset", "train", "train?new=1", "train?job=run-0", "train?job=run-1", "train?job=run-2")
PAGES += ("evaluate", "deploy", "chat", "chat?endpoint=whole-answers")
EXPANDERS = {
    "setup": ("What to send to an administrator", "Not needed for training and chat", "Set-up as a file"),
    "train?new=1": ("Advanced", "Show as code"),
    "train?job=run-2": ("Show as code",),
    "deploy": ("Everything that Phi Desk made there", "Key", "Try green", "Flow for a team"),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    home: Path = tmp_path_factory.mktemp("cloud")
    with AppProcess(home, command=COMMAND, PHIDESK_FILLED="1") as running:
        yield running


def open_expanders(desk: DeskPage, path: str) -> None:
    for label in EXPANDERS.get(path, ()):
        desk.page.locator("summary").filter(has_text=re.compile(f"{label}$")).first.click()
        desk.settle()


def click(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()


def pictures(desk: DeskPage, name: str) -> None:
    """The whole page at both sizes."""
    for width, height in (PHONE, DESKTOP):
        desk.page.set_viewport_size({"width": width, "height": height})
        desk.settle()
        desk.screenshot(f"{name}-{width}")


@THEMES
def test_every_page_of_a_full_cloud_is_sound_and_without_barriers(
    browser: Browser, cloud: AppProcess, is_dark: bool
) -> None:
    sizes = (PHONE, DESKTOP) if is_dark else (DESKTOP, PHONE)
    problems = {}
    with desk_page(browser, cloud, sizes[0], is_dark=is_dark) as desk:
        for path, size in each_view(desk, PAGES, open_expanders):
            assert_fits(desk, path, size)
            main = desk.page.locator("[data-testid=stMainBlockContainer]")
            assert main.locator("img[src*=evil], a[href*=evil]").count() == 0
            problems[path, size] = serious_violations(desk)
            if not is_dark:
                desk.screenshot(f"cloud-{re.sub('[^a-z0-9]+', '-', path) or 'home'}-{size[0]}")
        for path, button in (("deploy", "create_endpoint"), ("setup", "fix_all")):
            desk.open(path)
            click(desk.page, button)
            expect(desk.page.get_by_role("dialog")).to_be_visible()
            desk.settle()
            for size in sizes:
                desk.resize(size)
                problems[button, size] = serious_violations(desk)
    assert {view: found for view, found in problems.items() if found} == {}


def test_from_no_account_to_a_connected_cloud(browser: Browser, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with AppProcess(home, command=COMMAND) as app, desk_page(browser, app) as desk:
        page = desk.page
        desk.open("setup")
        click(page, "use_cloud")
        expect(page.get_by_text("Target: Cloud Machine Learning")).to_be_visible()
        assert serious_violations(desk) == []
        pictures(desk, "cloud-setup-signed-out")
        page.locator(".st-key-sign_in_way label").filter(has_text="Code").click()
        click(page, "sign_in_button")
        expect(page.get_by_text("ABCD-1234").first).to_be_visible()
        expect(page.get_by_role("link", name="Open the sign-in page")).to_have_attribute(
            "href", "https://login.example/device"
        )
        assert serious_violations(desk) == []
        pictures(desk, "cloud-setup-code")
        (home / "let-in").touch()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()

        desk.open("train")
        expect(page.get_by_text("Choose this on Setup first: Subscription.")).to_be_visible()
        click(page, "open_setup")
        expect(page.get_by_role("heading", name="Setup")).to_be_visible()
        choose(desk, "subscription", "Ada's subscription")
        click(page, "create_group")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox", name="Name").fill("Not Good")
        dialog.get_by_role("button", name="Create").click()
        expect(dialog.get_by_text("can't be used")).to_be_visible()
        assert serious_violations(desk) == []
        desk.screenshot("cloud-setup-create")
        dialog.get_by_role("textbox", name="Name").fill("rg-mine")
        dialog.get_by_role("button", name="Create").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_text("You can leave this page; it goes on.")).to_be_visible()
        desk.open("dataset")
        (home / "finish").touch()
        desk.open("setup")
        expect(page.locator(".st-key-choice_group").get_by_role("combobox")).to_have_value("rg-mine")
        choose(desk, "workspace", "phi-desk · eastus")
        expect(page.get_by_role("heading", name="Checks")).to_be_visible()
        click(page, "fix_all")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("Create: The identity phidesk-id")).to_be_visible()
        desk.screenshot("cloud-setup-fix-all")
        dialog.get_by_role("button", name="Fix all").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_text("is missing").first).to_have_count(0)
        desk.assert_is_sound()
        pictures(desk, "cloud-setup-connected")


SCROLL_AND_REST = """element => new Promise(done => {
    element.scrollIntoView({block: "center"});
    requestAnimationFrame(() => requestAnimationFrame(() => done()));
})"""


def choose(desk: DeskPage, choice: str, title: str) -> None:
    desk.settle()
    box = desk.page.locator(f".st-key-choice_{choice}").get_by_role("combobox")
    # A list closes when the page scrolls, so what brings it into view must be over before it opens.
    box.evaluate(SCROLL_AND_REST)
    box.press("ArrowDown")
    desk.page.get_by_role("option", name=title).click()
    desk.settle()
    expect(box).to_have_value(title)


def test_an_endpoint_that_does_not_stream_answers_in_chat(browser: Browser, cloud: AppProcess) -> None:
    with desk_page(browser, cloud) as desk:
        desk.open("chat?endpoint=whole-answers")
        expect(desk.page.get_by_text("gives its whole answer at once")).to_be_visible()
        box = desk.page.get_by_role("textbox", name="Ask your model")
        box.fill("Who?")
        box.press("Enter")
        expect(desk.page.get_by_text("Bill Gates und Paul")).to_be_visible(timeout=60_000)
        desk.assert_is_sound()
        pictures(desk, "cloud-chat-answer")


def test_an_endpoint_is_created_with_its_price_in_sight(browser: Browser, cloud: AppProcess) -> None:
    """Here at the end, for the cloud is another one after it."""
    with desk_page(browser, cloud) as desk:
        page = desk.page
        desk.open("deploy")
        click(page, "create_endpoint")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("a month if it is left on (estimate)")).to_be_visible()
        desk.screenshot("cloud-deploy-dialog-top")
        page.locator(".st-key-endpoint_serving label").filter(has_text="vLLM").click()
        expect(dialog.get_by_text("$3.67/h, $2,679.10 a month")).to_be_visible()
        dialog.get_by_role("button", name="Create endpoint").scroll_into_view_if_needed()
        desk.screenshot("cloud-deploy-dialog")
        dialog.get_by_role("textbox", name="Name").fill("my-new-one")
        dialog.get_by_role("button", name="Create endpoint").click()
        expect(dialog).to_have_count(0)
        expect(page.locator(".st-key-endpoint_my-new-one")).to_be_visible()

        slider = page.get_by_role("slider", name=re.compile("Share of green"))
        slider.focus()
        for _press in range(4):
            slider.press("ArrowRight")
        click(page, "move_ferries-1")
        expect(page.get_by_text("20 % of the traffic")).to_be_visible()
        click(page, "due_delete_past-its-end")
        expect(page.get_by_text("was to be deleted")).to_have_count(0)
        expect(page.get_by_text("3 endpoints on")).to_have_count(0)
        desk.assert_is_sound()
