"""From an Azure subscription with nothing in it to a chat with a tuned model, in a real browser, by both routes.

The app is the real one, and so are the SDKs, the trainings and the answers; Azure is `tests/azure_emulator`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.fixtures import *  # noqa: F403
from tests.contract.waiting import wait_until
from tests.e2e.app_process import AppProcess
from tests.e2e.desk_page import PHONE, DeskPage, desk_page
from tests.e2e.test_cloud_pages import SCROLL_AND_REST

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

LONG = 300_000
"""Milliseconds for what trains or serves on a busy machine with two cores."""
SOON = 60_000


@pytest.fixture
def app(empty_emulator: Emulator, tmp_path: Path) -> Iterator[AppProcess]:
    environment = {name: value for name, value in empty_emulator.environment.items() if not name.startswith("AZURE_")}
    with AppProcess(tmp_path / "home", PHIDESK_AZURE_TIMEOUT_SECONDS="20", **environment) as app:
        yield app


def click(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()


def pictures(desk: DeskPage, name: str) -> None:
    """The page at both sizes."""
    size = desk.page.viewport_size
    assert size is not None
    desk.screenshot(f"azure-{name}-desktop")
    desk.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    desk.screenshot(f"azure-{name}-phone")
    desk.page.set_viewport_size(size)


def choose(desk: DeskPage, key: str, title: str | re.Pattern[str]) -> None:
    """An option of the select with this key, by a part of its title."""
    desk.settle()
    box = desk.page.locator(f".st-key-{key}").get_by_role("combobox")
    box.evaluate(SCROLL_AND_REST)
    box.press("ArrowDown")
    desk.page.get_by_role("option", name=title).first.click()
    desk.settle()


def create(desk: DeskPage, choice: str, name: str) -> None:
    """Through the dialog, until it is there and chosen."""
    desk.settle()
    click(desk.page, f"create_{choice}")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill(name)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    box = desk.page.locator(f".st-key-choice_{choice}").get_by_role("combobox").first  # an old one goes a moment later
    expect(box).to_have_value(re.compile(re.escape(name)), timeout=SOON)


def sign_in(desk: DeskPage, emulator: Emulator) -> None:
    """By a code that is entered on another device."""
    page, login = desk.page, emulator.world.login
    page.locator(".st-key-sign_in_way label").filter(has_text="code").click()
    click(page, "sign_in_button")
    code = wait_until(lambda: login.pending_device_codes(), "a code is asked for")[-1]
    expect(page.get_by_text(code).first).to_be_visible()
    pictures(desk, "1-code")
    login.approve_device(code)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=SOON)


def test_from_an_empty_subscription_to_a_chat_and_back_to_nothing(
    browser: Browser, app: AppProcess, empty_emulator: Emulator
) -> None:
    emulator = empty_emulator
    with desk_page(browser, app) as desk:
        page = desk.page
        desk.open("setup")
        click(page, "use_azure")
        expect(page.get_by_text("Target: Azure Machine Learning")).to_be_visible()
        sign_in(desk, emulator)
        choose(desk, "choice_subscription", "Contoso pay-as-you-go")
        create(desk, "resource_group", "phi-rg")
        create(desk, "workspace", "phi-ws")
        pictures(desk, "2-workspace")
        click(page, "fix_all")
        page.get_by_role("dialog").get_by_role("button", name="Fix all").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(".st-key-fix_all")).to_have_count(0, timeout=SOON)
        pictures(desk, "3-checks")
        desk.assert_is_sound()

        desk.open("dataset")
        page.get_by_role("tab", name="Sample").click()
        click(page, "use_sample")
        expect(page.get_by_role("heading", name="Larkhaven Ferries")).to_be_visible()
        run = start_training(desk, re.compile("Built-in"))
        expect(page.get_by_text(re.compile(r"^Step [\d,]+ of "))).to_be_visible(timeout=LONG)
        pictures(desk, "4-training")

        app.kill()
        app.start()
        desk.open("setup")
        expect(page.get_by_text("Your sign-in has expired").first).to_be_visible()
        sign_in(desk, emulator)
        page.goto(run)
        desk.settle()
        expect(page.get_by_text(re.compile("^Finished in"))).to_be_visible(timeout=LONG)
        pictures(desk, "5-finished")
        click(page, "register_model")
        expect(page.get_by_text(re.compile("version 1"))).to_be_visible(timeout=SOON)

        click(page, "deploy_model")
        desk.settle()
        click(page, "create_endpoint")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("a month if it is left on (estimate)")).to_be_visible()
        pictures(desk, "6-deploy-dialog")
        dialog.get_by_role("button", name="Create endpoint").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("button", name="Chat with it")).to_be_visible(timeout=LONG)
        pictures(desk, "7-deployed")
        desk.assert_is_sound()
        page.get_by_role("button", name="Chat with it").click()
        ask(desk, "When does the Puffin leave?")
        pictures(desk, "8-chat")

        start_training(desk, re.compile("Phi-4-mini-instruct · catalogue"))
        expect(page.get_by_text(re.compile("^Finished in"))).to_be_visible(timeout=LONG)
        pictures(desk, "9-catalogue")
        # The service's recipe registers what it has made by itself.
        expect(page.locator(".st-key-registered").get_by_text("version 1")).to_be_visible(timeout=SOON)

        desk.open("deploy")
        page.locator("summary").filter(has_text="Everything that Phi Desk made there").click()
        click(page, "delete_all")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill("delete")
        pictures(desk, "10-delete-all")
        dialog.get_by_role("button", name="Delete all").click()
        wait_until(lambda: left(emulator) == [], "everything of ours is gone", 120)
        desk.open("")
        pictures(desk, "11-home")
        desk.assert_is_sound()
    assert "Traceback" not in app.output


def start_training(desk: DeskPage, base: re.Pattern[str]) -> str:
    """A short run of this base model on a machine without GPU. Returns its address."""
    page = desk.page
    desk.open("train?new=1")
    choose(desk, "run_base", base)
    choose(desk, "run_size_any", "Standard_E16s_v3")
    page.locator(".st-key-run_recipe label").filter(has_text="Quick").click()
    desk.settle()
    page.locator("summary").filter(has_text="Advanced").click()
    steps = page.locator(".st-key-parameter_quick_num_train_epochs input")
    steps.fill("1")
    steps.press("Tab")
    desk.settle()
    expect(page.get_by_text(re.compile("45 steps"))).to_be_visible(timeout=SOON)
    pictures(desk, "4-new-run")
    click(page, "start_training")
    page.wait_for_url(re.compile(r"[?&]job="))
    return page.url


def ask(desk: DeskPage, question: str) -> None:
    box = desk.page.get_by_role("textbox", name="Ask your model")
    box.fill(question)
    box.press("Enter")
    answers = desk.page.locator("[data-testid=stChatMessage]")
    expect(answers).to_have_count(2, timeout=SOON)
    expect(answers.last).to_have_text(re.compile(r"\w{2,}"), timeout=SOON)
    desk.settle(timeout=SOON)


def left(emulator: Emulator) -> list[str]:
    """What has our mark and costs or answers."""
    return [path for path, kept in emulator.world.arm.items() if "onlineendpoints" in path or "/computes/" in path]
